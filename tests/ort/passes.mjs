// SPDX-License-Identifier: BSD-3-Clause
// passes.mjs - each pass of onnx-opt, alone and all together, changes no
// number in onnxruntime.
//
//	node passes.mjs ONNX-OPT FOLDER
//
// Each FOLDER/NET.onnx, as it is and for the newest opset that onnxruntime
// takes, goes through every pass of onnx-opt --list.  Equal means within
// 1e-5 of the largest output: only the order of sums may change; in float16,
// whose steps are 1e-3, within 2e-2.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const ort = createRequire(import.meta.url)(
	process.env.ORT_NODE || 'onnxruntime-node');
const [opt, folder] = process.argv.slice(2);
const NEWEST = 23;
let passed = 0, failed = 0;

// float32 to float16 and back, as the typed arrays of bits that onnxruntime
// takes; small numbers only, rounded towards zero.
function toHalf(x) {
	const bits = new Uint32Array(Float32Array.from(x).buffer);

	return Uint16Array.from(bits, (b) => {
		const e = (b >> 23 & 255) - 112;
		return e <= 0 ? b >> 16 & 0x8000
			: b >> 16 & 0x8000 | e << 10 | b >> 13 & 1023;
	});
}

function fromHalf(x) {
	return Float32Array.from(x, (h) => {
		const s = h & 0x8000 ? -1 : 1, e = h >> 10 & 31, m = h & 1023;
		return e ? s * (1 + m / 1024) * 2 ** (e - 15) : s * m * 2 ** -24;
	});
}

async function run(path) {
	const session = await ort.InferenceSession.create(path,
		{ intraOpNumThreads: 2, logSeverityLevel: 4 });
	const input = session.inputMetadata[0];
	const count = input.shape.reduce((a, b) => a * b, 1);
	const ids = input.type === 'int64';
	const data = ids ? new BigInt64Array(count) : new Float32Array(count);

	for (let i = 0, seed = 1; i < count; i++) {
		seed = (seed * 1103515245 + 12345) % 2147483648;
		data[i] = ids ? BigInt(seed % 100) : seed / 1073741824 - 1;
	}
	const y = (await session.run({
		[input.name]: new ort.Tensor(input.type,
			input.type === 'float16' ? toHalf(data) : data, input.shape),
	})).y;
	return y.type === 'float16' ? fromHalf(y.data) : y.data;
}

function apart(got, want) {
	let off = got.length === want.length ? 0 : Infinity, size = 0;

	for (let i = 0; i < want.length; i++) {
		const d = Math.abs(got[i] - want[i]);
		off = d <= off ? off : d; // NaN sticks
		size = Math.max(size, Math.abs(want[i]));
	}
	return off / size;
}

async function check(name, from, want, bound, ...args) {
	const to = join(folder, 'out.onnx');

	try {
		execFileSync(opt, ['-q', ...args, from, '-o', to]);
		const off = apart(await run(to), want);

		if (!(off <= bound))
			throw new Error(`off by ${off.toExponential(2)}`);
		passed++;
	} catch (e) {
		failed++;
		console.log(`FAIL ${name} ${args.join(' ')}: ${e.message}`);
	}
}

const passes = execFileSync(opt, ['--list'], { encoding: 'utf8' })
	.trim().split('\n').map((line) => line.split(/\s+/)[0]);
const alone = passes.filter((p) => p !== 'fp16' && p !== 'split-tensors');

for (const net of readdirSync(folder)) {
	const path = join(folder, net), newer = join(folder, 'newer-' + net);
	const want = await run(path);

	await check(net, path, want, 1e-6, '--opset', String(NEWEST));
	execFileSync(opt, ['-q', '--opset', String(NEWEST), path, '-o', newer]);
	for (const from of [path, newer]) {
		for (const pass of alone)
			await check(net, from, want, 1e-5, '--passes', pass);
		await check(net, from, want, 1e-5, '--passes', alone.join(','));
		await check(net, from, want, 1e-5);
		await check(net, from, want, 2e-2, '--fp16');
	}
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
