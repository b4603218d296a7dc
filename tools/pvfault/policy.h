/* SPDX-License-Identifier: GPL-2.0 */
/* Which page goes next. */
#ifndef PVFAULT_POLICY_H
#define PVFAULT_POLICY_H

#include <stdint.h>

#include "pages.h"

/**
 * struct policy - a policy and its state
 * @ops: the policy
 * @hand: where it looks next
 * @tried: how many pages it has looked at in vain since it last found one
 */
struct policy {
	const struct policy_ops *ops;
	uint32_t hand;
	uint64_t tried;
};

/**
 * struct policy_ops - a policy
 * @name: for the log
 * @victim: a resident page on offer that should go next, or PAGE_NONE. Looks at
 *	a bounded number of pages; @tried tells if it is worth asking again
 * @brought_back: the page has been touched, and is there again
 * @refused: the page is in use and can't go now
 * @reset: the numbers of pages have changed
 */
struct policy_ops {
	const char *name;
	uint32_t (*victim)(struct policy *policy, struct pages *pages);
	void (*brought_back)(struct policy *policy, struct pages *pages, uint32_t nr);
	void (*refused)(struct policy *policy, struct pages *pages, uint32_t nr);
	void (*reset)(struct policy *policy);
};

extern const struct policy_ops policy_clock;

#endif /* PVFAULT_POLICY_H */
