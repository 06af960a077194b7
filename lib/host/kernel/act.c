/* SPDX-License-Identifier: BSD-3-Clause
 * act.c - activations as acts.def defines them, one number at a time.
 *
 * In double and rounded once: what the vector versions are measured by. */

#include <math.h>

#include "impl.h"

static const char *const names[ACT_COUNT] = {
#define ACT(id, name, formula) [ACT_##id] = name,
#include "acts.def"
#undef ACT
};

/* Spellings of config.json and of ONNX for the same functions. */
static const struct {
	const char *name;
	Act act;
} alias[] = {
	{"linear", ACT_NONE},
	{"identity", ACT_NONE},
	{"gelu_new", ACT_GELU_TANH},
	{"gelu_fast", ACT_GELU_TANH},
	{"gelu_pytorch_tanh", ACT_GELU_TANH},
	{"gelu_python", ACT_GELU},
	{"swish", ACT_SILU},
	{"relu_squared", ACT_RELU2},
	{"Relu", ACT_RELU},
	{"Gelu", ACT_GELU},
	{"Sigmoid", ACT_SIGMOID},
	{"Swish", ACT_SILU},
	{"Tanh", ACT_TANH},
	{"Erf", ACT_ERF},
	{"Exp", ACT_EXP},
};

Act
act_by_name(const char *name)
{
	Act a = 0;

	for (size_t i = 0; i < LEN(alias); i++)
		if (strcmp(alias[i].name, name) == 0)
			return alias[i].act;
	while (a < ACT_COUNT && strcmp(names[a], name) != 0)
		a++;
	return a;
}

float
act_apply(Act act, float f)
{
	double x = (double)f;

	switch (act) {
#define ACT(id, name, formula)                                                 \
	case ACT_##id:                                                         \
		return (float)(formula);
#include "acts.def"
#undef ACT
	case ACT_COUNT:
		break;
	}
	return f;
}
