// SPDX-License-Identifier: BSD-3-Clause
// nets.mjs - one network by onnxruntime and by qpc-run, in turn.
//
//	node nets.mjs QPC-RUN PATH ROUNDS
//
// PATH.onnx and PATH.qpc have one input, `x` or `ids`, and one output, `y`.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename } from 'node:path';

const ort = createRequire(import.meta.url)(process.env.ORT_NODE);
const [run, path, rounds] = process.argv.slice(2);
const RUNS = 7;
const session = await ort.InferenceSession.create(path + '.onnx',
	{ intraOpNumThreads: 2, interOpNumThreads: 1 });
const input = session.inputMetadata[0];
const count = input.shape.reduce((a, b) => a * b, 1);
const ids = input.name === 'ids';
const data = ids ? new BigInt64Array(count) : new Float32Array(count);
const args = [path + '.qpc', '-t', '2', '-q'];
const median = (x) => x.sort((a, b) => a - b)[x.length >> 1];

for (let i = 0, seed = 1; i < count; i++) {
	seed = (seed * 1103515245 + 12345) % 2147483648;
	data[i] = ids ? BigInt(seed % 30000) : seed / 1073741824 - 1;
}
const feeds = { [input.name]: new ort.Tensor(input.type, data, input.shape) };

async function theirs() {
	const times = [];

	for (let i = 0; i < RUNS; i++) {
		const from = performance.now();
		await session.run(feeds);
		times.push(performance.now() - from);
	}
	return median(times);
}

function ours() {
	const out = execFileSync(run, [...args, '--random', '--json',
		'--iterations', String(RUNS), '--warmup', '2']);

	return JSON.parse(out).latency_p50_ms;
}

// The same input as a bare file: the outputs, compared.
mkdirSync(path + '.out');
writeFileSync(path + '.raw', Buffer.from(data.buffer));
execFileSync(run, [...args, '--input', `${input.name}=${path}.raw`,
	'-o', path + '.out', '--format', 'raw']);
const got = new Float32Array(
	Uint8Array.from(readFileSync(path + '.out/y.raw')).buffer);
const want = (await session.run(feeds)).y.data;
let off = got.length === want.length ? 0 : Infinity, size = 0;
for (let i = 0; i < want.length; i++) {
	const d = Math.abs(got[i] - want[i]);
	off = d <= off ? off : d;
	size = Math.max(size, Math.abs(want[i]));
}

const a = [], b = [];
await theirs();
for (let i = 0; i < Number(rounds); i++) {
	a.push(ours());
	b.push(await theirs());
}
const x = median(a), y = median(b);
console.log(`${basename(path)}: ${x.toFixed(2)} ms, onnxruntime ` +
	`${y.toFixed(2)} ms: ${(y / x).toFixed(2)} times as fast; ` +
	`differ by ${(off / size).toExponential(1)} of the largest output`);
