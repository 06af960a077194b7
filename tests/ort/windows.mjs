// SPDX-License-Identifier: BSD-3-Clause
// windows.mjs - what layers with a window keep, in onnxruntime: the logits of
// the model that keeps all.
//
//	node windows.mjs BIN GOLDEN [NAME...]
//
// Three prompts of 5, 17 and 40 tokens go side by side in chunks, shorter
// ones padded with position -1, then step by step; windows are of 8, so that
// a ring turns five times in the prompts already.  The plain export (-t
// custom_ops,kv_cache) says what is right, to 1e-4.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ort } from './common.mjs';

const [bin, golden, ...names] = process.argv.slice(2);
const CTX = 96, STEPS = 24, BOUND = 1e-4, LENGTHS = [5, 17, 40];
const tmp = mkdtempSync(join(tmpdir(), 'windows-'));
const int64 = (list, dims) =>
	new ort.Tensor('int64', BigInt64Array.from(list, BigInt), dims);
const run = (tool, ...args) => execFileSync(join(bin, tool), ['-q', ...args],
	{ cwd: tmp, stdio: ['ignore', 'pipe', 'inherit'] });
const worst = (a, b) => a.reduce((d, x, i) => Math.max(d, Math.abs(x - b[i])), 0);
const argmax = (x) => x.indexOf(x.reduce((a, b) => Math.max(a, b)));

async function load(name, ...options) {
	run('hf-load', join(golden, name), '-o', 'm.qeff');
	run('qeff-transform', 'm.qeff', ...options, '-o', 't.qeff');
	run('onnx-export', '--dtype', 'float32', 't.qeff', '-o', 'm.onnx');
	const session = await ort.InferenceSession.create(join(tmp, 'm.onnx'));
	const meta = JSON.parse(run('qeff-inspect', '--json', 'm.onnx')).metadata;
	const symbols = meta['qeff.symbols'];

	session.window = symbols
		? (typeof symbols === 'string' ? JSON.parse(symbols) : symbols).sliding_window : 0;
	return session;
}

// A cache of `rows` rows; rings have room for a window and chunks of `chunk`.
function emptyCache(session, rows, chunk, ring = session.window + chunk - 1) {
	const cache = {};

	for (const m of session.inputMetadata) {
		if (!session.outputNames.includes(m.name + '_RetainedState'))
			continue;
		const dims = m.shape.map((d, i) => typeof d === 'number' ? d
			: i === 0 ? rows : d === 'sliding_window' ? ring : CTX);

		cache[m.name] = new ort.Tensor('float32',
			new Float32Array(dims.reduce((x, y) => x * y, 1)), dims);
	}
	return cache;
}

// rows: [{ids, at}], ids [] for a row that is given nothing.
async function call(session, cache, rows, len, more = {}) {
	const ids = rows.flatMap((r) => Array.from({ length: len }, (_, i) => r.ids[i] ?? 0));
	const pos = rows.flatMap((r) => Array.from({ length: len }, (_, i) =>
		i < r.ids.length ? r.at + i : -1));
	const out = await session.run({ ...cache, ...more, input_ids: int64(ids, [rows.length, len]),
		position_ids: int64(pos, [rows.length, len]) });
	const v = out.logits.dims[2];

	for (const name of Object.keys(cache))
		cache[name] = out[name + '_RetainedState'];
	return rows.map((_, r) => out.logits.data.slice(r * v, (r + 1) * v));
}

// Side by side, in chunks, then steps; `given` tokens or one's own choice.
async function together(session, prompts, chunk, given, ring) {
	const cache = emptyCache(session, prompts.length, chunk, ring);
	const got = prompts.map(() => []), text = prompts.map((p) => [...p]);

	for (let at = 0; at < Math.max(...LENGTHS); at += chunk) {
		const rows = prompts.map((p) => ({ ids: p.slice(at, at + chunk), at }));
		const y = await call(session, cache, rows, chunk);

		prompts.forEach((p, r) => {
			if (p.length > at && p.length <= at + chunk)
				got[r].push(y[r]);
		});
	}
	for (let k = 0; k < STEPS; k++) {
		text.forEach((t, r) => t.push(given ? given[r][k] : argmax(got[r][k])));
		(await call(session, cache, text.map((t) =>
			({ ids: t.slice(-1), at: t.length - 1 })), 1)).forEach((y, r) => got[r].push(y));
	}
	return { got, ids: text.map((t, r) => t.slice(prompts[r].length)) };
}

// Rows by batch_index: prompts one by one without padding, steps together.
async function batched(session, prompts, chunk, given) {
	const cache = emptyCache(session, 4, chunk), slot = [2, 0, 3];
	const got = prompts.map(() => []);

	for (let r = 0; r < prompts.length; r++)
		for (let at = 0; at < prompts[r].length; at += chunk) {
			const ids = prompts[r].slice(at, at + chunk);
			const [y] = await call(session, cache, [{ ids, at }], ids.length,
				{ batch_index: int64([slot[r]], [1, 1]) });

			if (at + chunk >= prompts[r].length)
				got[r].push(y);
		}
	for (let k = 0; k < STEPS; k++)
		(await call(session, cache, prompts.map((p, r) =>
			({ ids: [given[r][k]], at: p.length + k })), 1,
		{ batch_index: int64(slot, [3, 1]) })).forEach((y, r) => got[r].push(y));
	return { got };
}

// Each prompt in one call of a program that only writes; the steps by another
// that takes over its cache.
async function handed(first, next, prompts, given) {
	const got = [];

	for (let r = 0; r < prompts.length; r++) {
		const len = prompts[r].length + 3, cache = emptyCache(first, 1, 1);
		const [y] = await call(first, cache, [{ ids: prompts[r], at: 0 }], len);

		got.push([y]);
		for (let k = 0; k < STEPS; k++)
			got[r].push((await call(next, cache, [{ ids: [given[r][k]],
				at: prompts[r].length + k }], 1))[0]);
	}
	return { got };
}

const compare = (a, b) => Math.max(...a.got.flatMap((rows, r) => rows.length === STEPS + 1
	? rows.map((y, k) => worst(y, b.got[r][k])) : [Infinity]));
const plain = (name) => ['-t', name === 'cohere2' ? 'kv_cache' : 'custom_ops,kv_cache'];
let failed = 0, count = 0;

for (const name of names.length ? names
	: ['gpt_oss', 'gemma3_text', 'mistral-sliding', 'olmo3', 'cohere2', 'gemma2']) {
	const full = await load(name, ...plain(name));
	const prompts = LENGTHS.map((n, i) => Array.from({ length: n }, (_, k) =>
		3 + (k * k * 7 + k * 13 + i * 31) % 120));
	const want = await together(full, prompts, 40);
	const ring = await load(name, '--ring-cache');
	const ways = {
		'full, chunks of 6': () => together(full, prompts, 6, want.ids),
		'ring, chunks of 1': () => together(ring, prompts, 1, want.ids),
		'ring, chunks of 6': () => together(ring, prompts, 6, want.ids),
		'ring, chunks of 13': () => together(ring, prompts, 13, want.ids),
		'ring, one chunk': () => together(ring, prompts, 40, want.ids),
		'ring as long as the cache': () => together(ring, prompts, 16, want.ids, CTX),
		'ring, continuous batching': async () => batched(
			await load(name, '--ring-cache', '--continuous-batching'), prompts, 6, want.ids),
		'full, window read, chunks of 6': async () => together(
			await load(name, '--retain-full-kv'), prompts, 6, want.ids),
		'full, window read, continuous batching': async () => batched(
			await load(name, '--retain-full-kv', '--continuous-batching'), prompts, 6, want.ids),
		'prompts in one call, steps with rings': async () => handed(
			await load(name, '--ring-cache', '--prefill-only'), ring, prompts, want.ids),
		'prompts in chunks, for full caches': async () => handed(
			await load(name, '--prefill-only', '--enable-chunking'), full, prompts, want.ids),
	};

	for (const [way, go] of Object.entries(ways)) {
		const d = await Promise.resolve().then(go).then((x) => compare(x, want))
			.catch((e) => (console.log(String(e.message).slice(0, 300)), Infinity));

		failed += !(d <= BOUND);
		count++;
		console.log(`${d <= BOUND ? 'PASS' : 'FAIL'} ${name}: ${way}: max difference ${d.toPrecision(2)}`);
	}
}
rmSync(tmp, { recursive: true, force: true });
console.log(`${count - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
