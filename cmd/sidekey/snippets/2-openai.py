# OpenAI SDK, Python
from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:8787/v1", api_key="unused")
reply = client.chat.completions.create(
    model="openai/gpt-5.4-mini", messages=[{"role": "user", "content": "hello"}])
print(reply.choices[0].message.content)
