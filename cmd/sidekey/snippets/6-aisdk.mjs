// AI SDK
import { createGateway } from "@ai-sdk/gateway";
import { generateText } from "ai";

const gateway = createGateway({ baseURL: "http://127.0.0.1:8787/v4/ai", apiKey: "unused" });
console.log((await generateText({ model: gateway("openai/gpt-5.4-mini"), prompt: "hello" })).text);
