/* SPDX-License-Identifier: GPL-2.0 */
/* Inside the simulated Xen; not for tests. */
#ifndef PVFAULT_FAKE_OPS_H
#define PVFAULT_FAKE_OPS_H

#include "xenif.h"

int fake_pause(struct xenif *x);
int fake_unpause(struct xenif *x);
int fake_enable(struct xenif *x);
int fake_takeover(struct xenif *x);
int fake_disable(struct xenif *x);
int fake_nominate(struct xenif *x, uint64_t gfn);
void fake_copy(struct xenif *x, unsigned int nr, const uint64_t *gfn, void **to, int *err);
int fake_evict(struct xenif *x, uint64_t gfn);
int fake_load(struct xenif *x, uint64_t gfn, const void *page);
int fake_prep(struct xenif *x, uint64_t gfn);
int fake_settle(struct xenif *x, uint64_t gfn);
void fake_came_back(struct xenif *x, unsigned int nr, const uint64_t *gfn);
bool fake_next_request(struct xenif *x, struct xenif_request *req);
void fake_answer(struct xenif *x, const struct xenif_request *req);
void fake_flush_answers(struct xenif *x);
int fake_vcpu_state(struct xenif *x, uint32_t vcpu, struct xenif_vcpu *state);
int fake_inject(struct xenif *x, uint32_t vcpu, bool user, uint64_t cr2);

/* The pager may be killed at each of its calls, see fake_kill_in. */
void fake_call(void);

extern const struct xenif_ops fake_ops;

#endif /* PVFAULT_FAKE_OPS_H */
