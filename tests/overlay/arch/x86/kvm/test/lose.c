// SPDX-License-Identifier: GPL-2.0
/* For tests of guests only: a host that loses READY, or its interrupt, now and then. */
#include <linux/atomic.h>
#include <linux/moduleparam.h>

#include "hooks.h"

/* Of so many READYs one is lost; 0: none. */
static unsigned int lose_token;
module_param(lose_token, uint, 0644);
static unsigned int lose_interrupt;
module_param(lose_interrupt, uint, 0644);

static bool one_in(unsigned int n)
{
	static atomic_t count;

	return n && (unsigned int)atomic_inc_return(&count) % n == 0;
}

bool kvm_lose_token(void)
{
	return one_in(READ_ONCE(lose_token));
}

bool kvm_lose_interrupt(void)
{
	return one_in(READ_ONCE(lose_interrupt));
}
