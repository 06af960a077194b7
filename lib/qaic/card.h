/* SPDX-License-Identifier: BSD-3-Clause
 * card.h - programs on a Qualcomm card, through libQAic.so.
 *
 * The library is loaded when it is needed; one binary serves with and
 * without it.  Dimensions that go with the buffers choose the program;
 * tensors that stay on the card have empty buffers. */

#ifndef CARD_H
#define CARD_H

#include "base.h"

typedef struct CardOptions {
	const char *library; /* or NULL: where the SDK puts it */
	const int32_t *device;
	int ndevice;
} CardOptions;

/* One buffer of a run, in the order of card_buffer(). */
typedef struct CardBuffer {
	void *data;    /* at a multiple of 4096; NULL: it stays on the card */
	int64_t bytes; /* 0 with NULL */
	uint32_t element; /* bytes of one */
	uint32_t rank, dim[8];
} CardBuffer;

typedef struct Card Card;

/* Loads, activates and is ready to run a programqpc.bin; all ends with a. */
Card *card_open(Ctx *, Arena *a, Span program, const CardOptions *);
/* Buffers that a run has, and the place of one by name; -1: none. */
int card_buffers(const Card *);
int card_buffer(const Card *, const char *name);
bool card_run(Ctx *, Card *, CardBuffer *);

#endif
