/* SPDX-License-Identifier: BSD-3-Clause
 * trie.c - byte tries in a flat array, built breadth first. */

#include <stdlib.h>

#include "trie.h"

/* Keys [lo, hi) share their first `depth` bytes. */
typedef struct Group {
	size_t lo, hi, depth;
} Group;

static int
by_bytes(const void *a, const void *b)
{
	const TrieKey *x = a, *y = b;
	int d = memcmp(x->s.p, y->s.p, MIN(x->s.n, y->s.n));

	if (d)
		return d;
	if (x->s.n != y->s.n)
		return x->s.n < y->s.n ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static size_t
group_end(const TrieKey *key, size_t i, size_t hi, size_t depth)
{
	char ch = key[i].s.p[depth];

	while (i < hi && key[i].s.p[depth] == ch)
		i++;
	return i;
}

uint32_t
trie_build(Arena *a, TrieKey *key, size_t n, Buf *out)
{
	TrieNode node = {.id = -1};
	Group *open = NULL, g = {0, n, 0};
	size_t nopen = 0, cap = 0, root, end;

	qsort(key, n, sizeof *key, by_bytes);
	if (out->n == 0)
		buf_add(out, &node, sizeof node);
	root = out->n / sizeof node;
	buf_add(out, &node, sizeof node);
	PUSH(a, open, nopen, cap, g);
	for (size_t at = 0; at < nopen; at++) {
		g = open[at];
		node = ((TrieNode *)(void *)out->p)[root + at];
		for (; g.lo < g.hi && key[g.lo].s.n == g.depth; g.lo++)
			node.id = key[g.lo].id;
		node.child = (uint32_t)(root + nopen);
		for (size_t i = g.lo; i < g.hi; i = end) {
			TrieNode kid = {.id = -1,
			                .label = (uint8_t)key[i].s.p[g.depth]};
			Group next = {i, 0, g.depth + 1};

			next.hi = end = group_end(key, i, g.hi, g.depth);
			buf_add(out, &kid, sizeof kid);
			PUSH(a, open, nopen, cap, next);
			node.n++;
		}
		((TrieNode *)(void *)out->p)[root + at] = node;
	}
	return (uint32_t)root;
}

bool
trie_check(const TrieNode *node, size_t n, int64_t limit)
{
	for (size_t i = 0; i < n; i++) {
		if (node[i].n && (node[i].child <= i || node[i].child > n ||
		                  node[i].n > n - node[i].child))
			return false;
		if (node[i].id < -1 || node[i].id >= limit)
			return false;
	}
	return true;
}

uint32_t
trie_walk(const TrieNode *node, uint32_t at, Span s)
{
	for (size_t i = 0; i < s.n && at; i++)
		at = trie_step(node, at, (uint8_t)s.p[i]);
	return at;
}
