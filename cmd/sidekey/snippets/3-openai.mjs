// OpenAI SDK, JavaScript
import OpenAI from "openai";

const openai = new OpenAI({ baseURL: "http://127.0.0.1:8787/v1", apiKey: "unused" });
const reply = await openai.chat.completions.create({
  model: "openai/gpt-5.4-mini", messages: [{ role: "user", content: "hello" }] });
console.log(reply.choices[0].message.content);
