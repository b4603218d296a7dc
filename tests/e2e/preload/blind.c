// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded into the pager: it never finds a vCPU at the instruction at which it need not
 * read the page.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <xenctrl.h>
#include <xen/hvm/save.h>

int xc_domain_hvm_getcontext_partial(xc_interface *xc, uint32_t domid, uint16_t typecode,
				     uint16_t instance, void *buf, uint32_t size)
{
	static __typeof__(xc_domain_hvm_getcontext_partial) *real;
	struct hvm_hw_cpu *cpu = buf;
	int rc;

	if (!real)
		real = dlsym(RTLD_NEXT, __func__);
	rc = real(xc, domid, typecode, instance, buf, size);
	if (!rc && typecode == HVM_SAVE_CODE(CPU))
		cpu->rip = 0;
	return rc;
}
