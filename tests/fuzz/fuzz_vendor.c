/* SPDX-License-Identifier: BSD-3-Clause
 * What is taken lies in the bytes, and is written again as it was read. */

#include <stdlib.h>

#include "fuzz.h"
#include "vendor.h"

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	Ctx c = {0};
	VendorQpc q;
	VendorNet net;
	Span file = {(const char *)p, n};

	if (vendor_read(&c, &c.mem, file, &q)) {
		for (int i = 0; i < q.n; i++)
			if (q.segment[i].data.p < file.p ||
			    q.segment[i].data.n > n ||
			    q.segment[i].data.p + q.segment[i].data.n >
			            file.p + n)
				abort();
		if (vendor_net(&c, &c.mem, &q, &net) &&
		    (net.nin > net.nio || net.nallowed < 0))
			abort();
	}
	arena_free(&c.mem);
	return 0;
}
