# curl
curl -i http://127.0.0.1:8787/v1/chat/completions \
  -H "Authorization: Bearer unused" -H "Content-Type: application/json" \
  -d '{"model":"openai/gpt-5.4-mini","messages":[{"role":"user","content":"hello"}]}'
