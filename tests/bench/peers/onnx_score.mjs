// onnxruntime (CPU, fp32) over a token stream: node onnx_score.mjs FILE.onnx TOKENS.lms [ROWS [THREADS [sorted]]]
//
// The peer that `score` is measured against. Batches of ROWS rows (32), padded to their longest; `sorted`: rows of like
// length together, as one would do who knows all of them before the first. onnxruntime-node is looked for from the
// working directory on (npm install --ignore-scripts onnxruntime-node). Prints one JSON object: seconds of the forward
// passes alone, and tokens/s without padding counted, the best of two runs. The file is onnx_export.py's; what to set
// beside it: time score -q -m DIR TOKENS.lms
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const ort = createRequire(process.cwd() + "/")("onnxruntime-node");
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
const rows = readRows(readFileSync(stream));
if (order === "sorted")
    rows.sort((a, b) => b.ids.length - a.ids.length);
const batches = [];
for (let r = 0; r < rows.length; r += Number(size))
    batches.push(batchOf(rows.slice(r, r + Number(size))));
const known = new Set(session.inputNames);
for (const batch of batches) // an exporter leaves out what the model does not read
    for (const name of Object.keys(batch))
        if (!known.has(name))
            delete batch[name];
let seconds = Infinity, sum = 0;
for (let turn = 0; turn < 2; turn++) {
    const begun = process.hrtime.bigint();
    for (const batch of batches) {
        const { logits } = await session.run(batch);
        sum += logits.data[0];
    }
    seconds = Math.min(seconds, Number(process.hrtime.bigint() - begun) / 1e9);
}
const tokens = rows.reduce((n, r) => n + r.ids.length, 0);
const rate = Math.round(tokens / seconds);
console.log(JSON.stringify({ rows: rows.length, tokens, seconds, tokens_per_s: rate, version: ort.env?.versions?.node, sum }));
