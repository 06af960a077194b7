// SPDX-License-Identifier: BSD-3-Clause
// lora.mjs - adapters in onnxruntime: each form gives what the model gives
// whose weights are W + scale B A, computed here.
//
//	node lora.mjs BUILD DIR
//
// Forms: merged, given as inputs, picked by lora_ids.  Scales: alpha / r, or
// with use_rslora alpha / sqrt(r); alpha by the first pattern that fits.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ort } from './common.mjs';

const [build, dir] = process.argv.slice(2);
const CTX = 32, IDS = [3, 14, 15, 9, 26, 5, 35, 8];
const tool = (name, ...args) => execFileSync(join(build, name), args);
const at = (name) => join(dir, name);
let seed = 1;

function chance() {
	seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
	return seed / 2 ** 32;
}

// ---- files ----

function read(path) {
	const raw = readFileSync(path), n = Number(raw.readBigUInt64LE(0)), out = {};

	for (const [name, t] of Object.entries(JSON.parse(raw.toString('utf8', 8, 8 + n)))) {
		if (name === '__metadata__')
			continue;
		const bytes = Uint8Array.from(raw.subarray(8 + n + t.data_offsets[0],
			8 + n + t.data_offsets[1]));

		out[name] = { dims: t.shape, data: new Float32Array(bytes.buffer) };
	}
	return out;
}

function write(path, tensors) {
	const header = {}, parts = [];
	let off = 0;

	for (const [name, t] of Object.entries(tensors)) {
		parts.push(Buffer.from(t.data.buffer));
		header[name] = { dtype: 'F32', shape: t.dims,
			data_offsets: [off, off += t.data.byteLength] };
	}
	let text = JSON.stringify(header);
	text += ' '.repeat((8 - text.length % 8) % 8);
	const size = Buffer.alloc(8);
	size.writeBigUInt64LE(BigInt(text.length));
	writeFileSync(path, Buffer.concat([size, Buffer.from(text), ...parts]));
}

// ---- adapters ----

// rank: of each target; scale: of each module, as it should be
function adapter(name, config, rank, scale) {
	const base = read(at('ck/model.safetensors')), pairs = {};

	for (const [w, t] of Object.entries(base)) {
		const target = Object.keys(rank).find((x) => w.endsWith(`.${x}.weight`));

		if (!target)
			continue;
		const module = w.slice(0, -'.weight'.length), r = rank[target];
		const [out, n] = t.dims, s = scale(module, r);
		const random = (dims) => ({ dims, data: Float32Array.from(
			{ length: dims[0] * dims[1] }, () => chance() - 0.5) });
		const A = random([r, n]), B = random([out, r]);

		pairs[`base_model.model.${module}.lora_A.weight`] = A;
		pairs[`base_model.model.${module}.lora_B.weight`] = B;
		for (let i = 0; i < out; i++)
			for (let j = 0; j < n; j++) {
				let sum = 0;

				for (let k = 0; k < r; k++)
					sum += B.data[i * r + k] * A.data[k * n + j];
				t.data[i * n + j] += s * sum;
			}
	}
	mkdirSync(at(name));
	write(at(`${name}/adapter_model.safetensors`), pairs);
	writeFileSync(at(`${name}/adapter_config.json`), JSON.stringify({ peft_type: 'LORA',
		target_modules: Object.keys(rank), bias: 'none', ...config }));
	cpSync(at('ck'), at(`${name}.alone`), { recursive: true });
	write(at(`${name}.alone/model.safetensors`), base);
	tool('bin/hf-load', '-q', at(`${name}.alone`), '-o', at(`${name}.qeff`));
	return { name, pairs };
}

// ---- models ----

function make(name, model, options) {
	const to = (file) => at(join(`${name}.onnx`, file));

	mkdirSync(to(''));
	tool('bin/qeff-transform', '-q', ...options, at(`${model}.qeff`), '-o', to('m.qeff'));
	tool('bin/onnx-export', '-q', to('m.qeff'), '-o', to('0.onnx'));
	tool('bin/onnx-opt', '-q', to('0.onnx'), '-o', to('m.onnx'));
	return ort.InferenceSession.create(to('m.onnx'));
}

// Logits of the same ids in each row.
async function logits(session, rows, given = {}) {
	const ints = (list) => new ort.Tensor('int64', BigInt64Array.from(list, BigInt),
		[rows.length, list.length / rows.length]);
	const feed = { input_ids: ints(rows.flatMap(() => IDS)),
		position_ids: ints(rows.flatMap(() => [...IDS.keys()])),
		lora_ids: ints(rows) };

	for (const m of session.inputMetadata) {
		const dims = m.shape.map((d) => d === 'ctx_len' ? CTX
			: typeof d === 'string' ? rows.length : d);

		if (given[m.name])
			feed[m.name] = new ort.Tensor('float32', given[m.name].data, dims);
		else if (m.name.startsWith('past_'))
			feed[m.name] = new ort.Tensor('float32',
				new Float32Array(dims.reduce((a, b) => a * b, 1)), dims);
	}
	const out = await session.run(Object.fromEntries(
		session.inputNames.map((n) => [n, feed[n]])));

	return out.logits.data;
}

function worst(got, want) {
	let d = got.length === want.length ? 0 : Infinity;

	want.forEach((v, i) => {
		const e = Math.abs(got[i] - v);
		d = e <= d ? d : e;
	});
	return d;
}

// The same sums in another order: a few of the last bits of values near 1.
const NEAR = 1e-4;
let failed = 0;

function expect(what, got, want, near = true) {
	const d = worst(got, want), ok = near ? d < NEAR : d > 100 * NEAR;

	failed += !ok;
	console.log(`${ok ? 'ok' : 'not ok'} ${what}: ${d.toExponential(1)}`);
}

tool('tools/make-checkpoint', '-q', '--kv-heads', '2', at('ck'));
tool('bin/hf-load', '-q', at('ck'), '-o', at('m.qeff'));
const plain = adapter('plain', { r: 4, lora_alpha: 8 },
	{ q_proj: 4, v_proj: 4, down_proj: 4 }, (_, r) => 8 / r);
const root = adapter('root', { r: 4, lora_alpha: 6, use_rslora: true,
	alpha_pattern: { 'layers\\.[1-9]\\.self_attn\\.q_proj': 3, q_proj: 2, proj: 9 } },
	{ q_proj: 4, v_proj: 4, down_proj: 4 },
	(m, r) => (/layers\.1\.self_attn\.q_proj$/.test(m) ? 3
		: m.endsWith('.q_proj') ? 2 : 6) / Math.sqrt(r));
const ranks = adapter('ranks', { r: 4, lora_alpha: 8, rank_pattern: { v_proj: 2 },
	alpha_pattern: { v_proj: 5 } }, { q_proj: 4, v_proj: 2 },
	(m, r) => (m.endsWith('.v_proj') ? 5 : 8) / r);
const want = { none: await logits(await make('base', 'm', []), [0]) };

for (const a of [plain, root, ranks]) {
	want[a.name] = await logits(await make(`${a.name}.w`, a.name, []), [0]);
	expect(`${a.name} changes something`, want[a.name], want.none, false);
	expect(`${a.name}, merged`, await logits(
		await make(`${a.name}.m`, 'm', ['--lora', at(a.name), '--merge']), [0]), want[a.name]);
	expect(`${a.name}, given`, await logits(
		await make(`${a.name}.i`, 'm', ['--lora', at(a.name)]), [0], a.pairs), want[a.name]);
}
const picked = await make('picked', 'm', ['--lora', at('plain'), '--lora', at('root')]);
const got = await logits(picked, [2, 0, 1, 2]), n = want.none.length;

['root', 'none', 'plain', 'root'].forEach((name, row) =>
	expect(`row ${row}, ${name}, picked`, got.subarray(row * n, (row + 1) * n), want[name]));
process.exit(failed ? 1 : 0);
