// LangChain
import { ChatOpenAI } from "@langchain/openai";

const chat = new ChatOpenAI({
  model: "openai/gpt-5.4-mini", apiKey: "unused", configuration: { baseURL: "http://127.0.0.1:8787/v1" } });
console.log((await chat.invoke("hello")).content);
