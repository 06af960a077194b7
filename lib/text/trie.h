/* SPDX-License-Identifier: BSD-3-Clause */
/* trie.h - byte tries in a flat array, usable where they lie.
 *
 * The children of a node are neighbours, sorted by label; every child comes
 * after its parent, so a walk cannot loop.  Node 0 is nobody's child. */

#ifndef TRIE_H
#define TRIE_H

#include "base.h"

typedef struct TrieNode {
	uint32_t child; /* index of the first */
	uint16_t n;     /* how many */
	uint8_t label, pad;
	int32_t id; /* of the key that ends here, -1 none */
} TrieNode;

typedef struct TrieKey {
	Span s;
	int32_t id;
} TrieKey;

/* Appends a trie of the keys (which it sorts; equal ones: the last wins) to a
 * vector of nodes and returns the index of its root, never 0. */
uint32_t trie_build(Arena *scratch, TrieKey *key, size_t n, Buf *nodes);
/* Whether a trie from outside may be walked: ids are below limit. */
bool trie_check(const TrieNode *node, size_t n, int64_t limit);

/* The child of `at` under a byte, 0 if none. */
static inline uint32_t
trie_step(const TrieNode *node, uint32_t at, uint8_t byte)
{
	uint32_t lo = node[at].child, n = node[at].n;

	while (n > 4) {
		uint32_t half = n / 2;

		if (node[lo + half].label <= byte) {
			lo += half;
			n -= half;
		} else {
			n = half;
		}
	}
	for (; n > 0; lo++, n--)
		if (node[lo].label == byte)
			return lo;
	return 0;
}

/* The node after all bytes of s, 0 if there is none. */
uint32_t trie_walk(const TrieNode *node, uint32_t at, Span s);

#endif
