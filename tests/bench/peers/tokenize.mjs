// Megabytes a second of the processor's time that npm's tokenizers make tokens of, line by line; of four megabytes:
//   node tokenize.mjs tokenizers|tiktoken DIRECTORY FILE
import fs from 'fs';
import path from 'path';
import { createRequire } from 'module';

const require = createRequire(path.join(process.cwd(), 'x'));
const [peer, directory, file] = process.argv.slice(2);
const text = fs.readFileSync(file).subarray(0, 4e6).toString();
const lines = text.split('\n');
const known = { gpt2: 'gpt2' };

async function encoder() {
  if (peer === 'tiktoken') {
    const name = known[path.basename(directory)];
    if (!name) return null;
    const t = require('tiktoken').get_encoding(name);
    return (lines) => lines.forEach((line) => t.encode_ordinary(line));
  }
  process.env.RAYON_NUM_THREADS = '1';
  const t = require('@anush008/tokenizers').Tokenizer.fromFile(path.join(directory, 'tokenizer.json'));
  return (lines) => t.encodeBatch(lines);
}

const encode = await encoder();
if (encode) {
  const before = process.cpuUsage();
  for (let i = 0; i < lines.length; i += 1000) await encode(lines.slice(i, i + 1000));
  const { user, system } = process.cpuUsage(before);
  console.log((Buffer.byteLength(text) / (user + system)).toFixed(2));
}
