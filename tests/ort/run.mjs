// SPDX-License-Identifier: BSD-3-Clause
// run.mjs - our ONNX in onnxruntime: the same numbers as the goldens.
//
//	node run.mjs BIN GOLDEN [PATTERN...]
//
// Each golden folder whose name matches goes through hf-load |
// qeff-transform | onnx-export, and through onnx-opt as well; both files run
// in onnxruntime, and where there are experts one for each --experts.  A decoder is given its prompt as one chunk with padding,
// then STEPS tokens one by one, its cache fed back; every row of logits must
// be the reference's.  Bounds: ten times the fixture's recorded noise of
// float32, at least 1e-4.  What hf-load refuses is skipped.  Needs npm's onnxruntime-node, found by NODE_PATH.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ort = createRequire(import.meta.url)(
	process.env.ORT_NODE || 'onnxruntime-node');
const [bin, golden, ...patterns] = process.argv.slice(2);
const CTX = 128, CHUNK = 48, STEPS = 20;
const arrays = { F32: Float32Array, I64: BigInt64Array, U8: Uint8Array };

function safetensors(path) {
	const raw = readFileSync(path), n = Number(raw.readBigUInt64LE(0));
	const out = {};

	for (const [name, t] of Object.entries(JSON.parse(raw.toString('utf8', 8, 8 + n)))) {
		if (name === '__metadata__')
			continue;
		const [from, to] = t.data_offsets;
		const bytes = Uint8Array.from(raw.subarray(8 + n + from, 8 + n + to));

		out[name] = { dims: t.shape, data: new arrays[t.dtype](bytes.buffer) };
	}
	return out;
}

function worst(got, want) {
	let d = got.length === want.length ? 0 : Infinity;

	for (let i = 0; i < want.length; i++) {
		const e = Math.abs(got[i] - want[i]);
		d = e <= d ? d : e; // NaN sticks
	}
	return d;
}

const int64 = (list, dims) =>
	new ort.Tensor('int64', BigInt64Array.from(list, BigInt), dims);

// Zeros for each input that comes back as its own _RetainedState.
function emptyCache(session) {
	const cache = {};

	for (const m of session.inputMetadata) {
		if (!session.outputNames.includes(m.name + '_RetainedState'))
			continue;
		const dims = m.shape.map((d) =>
			d === 'batch_size' ? 1 : typeof d === 'string' ? CTX : d);
		const size = dims.reduce((x, y) => x * y, 1);

		cache[m.name] = new ort.Tensor('float32', new Float32Array(size), dims);
	}
	return cache;
}

async function step(session, cache, ids, pos, more = {}) {
	const text = session.inputNames.includes('text_length')
		? { text_length: int64([Math.max(...pos) + 1], [1, 1]) } : {};
	const out = await session.run({ ...cache, ...more, ...text,
		input_ids: int64(ids, [1, ids.length]),
		position_ids: int64(pos, [1, ids.length]) });

	for (const name of Object.keys(cache))
		cache[name] = out[name + '_RetainedState'];
	return out.logits.data;
}

async function decoder(session, want) {
	let err = 0;

	for (let i = 0; want[`input_ids.${i}`]; i++) {
		const ids = Array.from(want[`input_ids.${i}`].data, Number), n = ids.length;
		const greedy = Array.from(want[`greedy.${i}`].data, Number);
		const rows = want[`decode_logits.${i}`], v = rows.dims[1];
		const cache = emptyCache(session);
		const pad = (list, x) => list.concat(Array(CHUNK - n).fill(x));
		let logits = await step(session, cache, pad(ids, 0),
			pad([...ids.keys()], -1));

		for (let k = 0; k <= STEPS; k++) {
			const d = worst(logits, rows.data.subarray(k * v, (k + 1) * v));

			err = d <= err ? err : d;
			if (k < STEPS)
				logits = await step(session, cache, [greedy[k]], [n + k]);
		}
	}
	return err;
}

// Each row of the encoder's input with one place of padding, and the start
// token; then the decoder's steps, with a lone token for the encoder.
async function both(session, want, start) {
	const ids = want['in.input_ids'], mask = want['in.attention_mask'];
	const len = ids.dims[1];
	let err = 0;

	for (let i = 0; want[`greedy.${i}`]; i++) {
		const row = [...ids.data.subarray(i * len, (i + 1) * len)]
			.filter((_, k) => mask.data[i * len + k]).map(Number);
		const greedy = Array.from(want[`greedy.${i}`].data, Number);
		const rows = want[`decode_logits.${i}`], v = rows.dims[1];
		const cache = emptyCache(session);
		const encode = (list, pos) => ({
			encoder_input_ids: int64(list, [1, list.length]),
			encoder_position_ids: int64(pos, [1, pos.length]) });
		let logits = await step(session, cache, [start], [0],
			encode([...row, 0], [...row.keys(), -1]));

		for (let k = 0; k < greedy.length; k++) {
			const d = worst(logits, rows.data.subarray(k * v, (k + 1) * v));

			err = d <= err ? err : d;
			logits = await step(session, cache, [greedy[k]], [k + 1],
				encode([0], [row.length - 1]));
		}
	}
	return err;
}

// Rows of a batch with padding on the left: each alone, without it.
async function rows(session, want) {
	const ids = want['in.input_ids'], mask = want['in.attention_mask'];
	const [n, len] = ids.dims, v = want['out.logits'].dims[2];
	let err = 0;

	for (let r = 0; r < n; r++) {
		const at = [...Array(len).keys()].filter((k) => mask.data[r * len + k]);
		const row = at.map((k) => Number(ids.data[r * len + k]));
		const last = r * len + at[at.length - 1];
		const d = worst(await step(session, emptyCache(session), row, [...row.keys()]),
			want['out.logits'].data.subarray(last * v, (last + 1) * v));

		err = d <= err ? err : d;
	}
	return err;
}

async function encoder(session, want) {
	const feed = {}, dims = want['in.input_ids'].dims;
	let err = 0, seen = 0;

	for (const name of session.inputNames)
		feed[name] = want['in.' + name]
			? new ort.Tensor('int64', want['in.' + name].data, dims)
			: int64(Array(dims[0] * dims[1]).fill(0), dims);
	const out = await session.run(feed), mask = want['in.attention_mask'];

	for (const name of session.outputNames) {
		const w = want['out.' + name];

		if (!w)
			continue;
		seen++;
		const per = mask && w.dims[1] === dims[1] ? w.data.length / mask.data.length : 0;

		for (let k = 0; k < (per ? mask.data.length : 1); k++) {
			const [from, to] = per ? [k * per, (k + 1) * per] : [0, w.data.length];
			const d = per && !mask.data[k] ? 0
				: worst(out[name].data.subarray(from, to), w.data.subarray(from, to));

			err = d <= err ? err : d;
		}
	}
	return seen ? err : Infinity;
}

const glob = (p) => new RegExp('^' + p.replaceAll('*', '.*') + '$');
const names = readdirSync(golden).filter((n) =>
	existsSync(join(golden, n, 'expected.json')) &&
	(patterns.length === 0 || patterns.some((p) => glob(p).test(n))));
const count = { PASS: 0, FAIL: 0, UNSUP: 0 };

for (const name of names.sort()) {
	const dir = join(golden, name), tmp = mkdtempSync(join(tmpdir(), 'ort-'));
	const expected = JSON.parse(readFileSync(join(dir, 'expected.json')));
	const noise = Math.max(...Object.values(
		typeof expected.noise.f32_vs_f64_max_abs === 'object'
			? expected.noise.f32_vs_f64_max_abs
			: { x: expected.noise.f32_vs_f64_max_abs }));
	const bound = Math.max(1e-4, 10 * noise);
	const start = JSON.parse(readFileSync(join(dir, 'config.json')))
		.decoder_start_token_id;
	const run = (tool, ...args) => execFileSync(join(bin, tool), ['-q', ...args],
		{ cwd: tmp, stdio: ['ignore', 'inherit', 'pipe'] });

	const files = ['m.onnx', 'o.onnx'];
	for (const file of files) {
		let verdict = 'PASS', text;

		try {
			if (file === 'm.onnx') {
				run('hf-load', dir, '-o', 'm.qeff');
				run('qeff-transform', 'm.qeff', '-o', 't.qeff');
				run('onnx-export', 't.qeff', '-o', 'm.onnx');
				if (readFileSync(join(tmp, file)).includes('ExpertMatMul'))
					files.push('chosen', 'all');
			} else if (file !== 'o.onnx') {
				run('onnx-export', 't.qeff', '--experts', file, '-o', file);
			} else {
				run('onnx-opt', 'm.onnx', '-o', 'o.onnx');
			}
			const session = await ort.InferenceSession.create(join(tmp, file));
			const want = safetensors(join(dir, 'expected.safetensors'));
			const how = want['in.decoder_input_ids'] ? both
				: want['input_ids.0'] ? decoder
				: session.inputNames.includes('attention_mask') ? encoder : rows;
			const err = await how(session, want, start);

			text = `max difference ${err.toPrecision(2)} (bound ${bound.toPrecision(2)})`;
			if (!(err <= bound))
				verdict = 'FAIL';
		} catch (e) {
			verdict = e.status === 3 ? 'UNSUP' : 'ERROR';
			text = String(e.stderr || e.message || e).trim().split('\n')[0].slice(0, 160);
		}
		count[verdict === 'ERROR' ? 'FAIL' : verdict]++;
		console.log(`${verdict.padEnd(5)} ${name.padEnd(32)} ${file} ${text}`);
		if (verdict === 'UNSUP')
			break;
	}
	rmSync(tmp, { recursive: true, force: true });
}
console.log(`${count.PASS} passed, ${count.FAIL} failed, ${count.UNSUP} skipped`);
process.exit(count.FAIL || !count.PASS ? 1 : 0);
