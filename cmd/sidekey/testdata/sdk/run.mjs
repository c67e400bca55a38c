import './openai.mjs';
import './anthropic.mjs';
import './aisdk.mjs';
import './langchain.mjs';
import { run } from './harness.mjs';

await run();
process.exit(0); // SDKs may hold sockets open
