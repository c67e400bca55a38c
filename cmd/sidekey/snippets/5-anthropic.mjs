// Anthropic SDK
import Anthropic from "@anthropic-ai/sdk";

const anthropic = new Anthropic({ baseURL: "http://127.0.0.1:8787", apiKey: "unused" });
const message = await anthropic.messages.create({
  model: "anthropic/claude-sonnet-4.5", max_tokens: 100, messages: [{ role: "user", content: "hello" }] });
console.log(message.content[0].text);
