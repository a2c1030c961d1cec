// onnxruntime (CPU, fp32) over a token stream: node onnx_score.mjs FILE.onnx TOKENS.lms [ROWS [THREADS [sorted]]]
// and, for make bench, over a batch of shapes.h: node onnx_score.mjs FILE.onnx --steps SHAPE BATCH THREADS SECONDS [cpu]
//
// The peer that `score` is measured against. Batches of ROWS rows (32), padded to their longest; `sorted`: rows of like
// length together, as one would do who knows all of them before the first. onnxruntime-node is looked for from the
// working directory on (npm install --ignore-scripts onnxruntime-node). Prints one JSON object: seconds of the forward
// passes alone, and tokens/s without padding counted, the best of two runs; with --steps, the line that `steps` prints. The file is
// onnx_export.py's; what to set beside it: time score -q -m DIR TOKENS.lms
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const ort = createRequire(process.cwd() + "/")("onnxruntime-node");
const steps = process.argv[3] === "--steps";
if (steps)
    process.argv.splice(3, 1);
const [model, stream, size = "32", threads = "2", order = ""] = process.argv.slice(2);

function readRows(bytes) {
    const rows = [];
    for (let at = 0; at < bytes.length;) {
        const end = bytes.indexOf(10, at);
        const header = JSON.parse(bytes.toString("utf8", at, end));
        const payload = end + 1;
        at = header.bytes ? payload + header.bytes + (64 - (header.bytes % 64)) : payload;
        if (!header.tensors)
            continue;
        const column = (name, type) => {
            const offsets = header.tensors[name]?.data_offsets;
            if (!offsets)
                return null;
            return new type(bytes.buffer.slice(bytes.byteOffset + payload + offsets[0], bytes.byteOffset + payload + offsets[1]));
        };
        const ids = column("ids", Int32Array), splits = column("ids.splits", Int32Array), types = column("types", Uint8Array);
        for (let r = 0; r < header.n; r++)
            rows.push({ ids: ids.subarray(splits[r], splits[r + 1]), types: types?.subarray(splits[r], splits[r + 1]) });
    }
    return rows;
}

function batchOf(rows) {
    const width = Math.max(...rows.map((r) => r.ids.length));
    const ids = new BigInt64Array(rows.length * width), types = ids.slice(), mask = ids.slice();
    rows.forEach((row, r) => {
        for (let t = 0; t < row.ids.length; t++) {
            ids[r * width + t] = BigInt(row.ids[t]);
            types[r * width + t] = BigInt(row.types ? row.types[t] : 0);
            mask[r * width + t] = 1n;
        }
    });
    const tensor = (data) => new ort.Tensor("int64", data, [rows.length, width]);
    return { ids: tensor(ids), types: tensor(types), mask: tensor(mask) };
}

const session = await ort.InferenceSession.create(model, { intraOpNumThreads: Number(threads), graphOptimizationLevel: "all" });
const known = new Set(session.inputNames); // an exporter leaves out what the model does not read
const fed = (batch) => Object.fromEntries(Object.entries(batch).filter(([name]) => known.has(name)));
const cpu = process.argv[7] === "cpu"; // the processor's time, not the clock's
const now = () => cpu ? (process.cpuUsage().user + process.cpuUsage().system) / 1e6 : Number(process.hrtime.bigint()) / 1e9;
if (steps)
    await timeSteps();
else
    await timeStream();

// stream is the shape's name here, size the batch, and order the seconds
async function timeSteps() {
    const [count, length] = size === "ag" ? [32, 0] : size.split("x").map(Number);
    const lengthOf = (r) => length || (r === 5 ? 88 : 22 + Math.floor((r * 42) / 31) + (r % 3));
    const rows = Array.from({ length: count }, (_, r) => ({ ids: Array.from({ length: lengthOf(r) }, (_, t) => (r * 7919 + t * 104729) % 30522) }));
    const batch = fed(batchOf(rows)), tokens = rows.reduce((n, r) => n + r.ids.length, 0), times = [];
    for (let turn = 0; turn < 2; turn++)
        await session.run(batch);
    for (const begun = now(); times.length < 3 || now() - begun < Number(order);) {
        const start = now();
        await session.run(batch);
        times.push(now() - start);
    }
    const mean = times.reduce((a, b) => a + b) / times.length;
    const mib = Math.floor(Number(/VmHWM:\s*(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) / 1024);
    console.log(`${stream} ${size} forward ${Math.round(tokens / Math.min(...times))} tok/s (mean ${(tokens / mean).toFixed(1)}) ${mib} MiB`);
}

async function timeStream() {
    const rows = readRows(readFileSync(stream));
    if (order === "sorted")
        rows.sort((a, b) => b.ids.length - a.ids.length);
    const batches = [];
    for (let r = 0; r < rows.length; r += Number(size))
        batches.push(fed(batchOf(rows.slice(r, r + Number(size)))));
    let seconds = Infinity, sum = 0;
    for (let turn = 0; turn < 2; turn++) {
        const begun = now();
        for (const batch of batches) {
            const { logits } = await session.run(batch);
            sum += logits.data[0];
        }
        seconds = Math.min(seconds, now() - begun);
    }
    const tokens = rows.reduce((n, r) => n + r.ids.length, 0);
    const rate = Math.round(tokens / seconds);
    console.log(JSON.stringify({ rows: rows.length, tokens, seconds, tokens_per_s: rate, version: ort.env?.versions?.node, sum }));
}
