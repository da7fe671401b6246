/* SPDX-License-Identifier: Apache-2.0
 *
 * The simulated accelerator as a library: its registers, and a DMA at each of its streams.
 *
 * A model stands still until something is asked of it: zf_sim_read, zf_sim_write and zf_sim_step
 * let clocks pass, and transfers that were started go on meanwhile.
 */
#ifndef ZYNQFIRE_SIM_H
#define ZYNQFIRE_SIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct zf_sim zf_sim;

/* State of a transfer, and what zf_sim_step may wait for. */
enum { ZF_IDLE = 0, ZF_BUSY = 1, ZF_TOO_LONG = 2, ZF_DEAD = 3 };
enum { ZF_SENT = 1, ZF_RECEIVED = 2, ZF_IRQ = 4 };

/* A model after reset. Memory contents are read from the folder `build`; registers start as `seed`
 * says, but for what reset sets. NULL where the folder is none. */
zf_sim *zf_sim_open(const char *build, uint32_t seed);
void zf_sim_close(zf_sim *sim);

/* Hold aresetn low for so many clocks; transfers are given up. */
void zf_sim_reset(zf_sim *sim, unsigned clocks);

/* Accesses over AXI4-Lite; they wait for the response. */
uint32_t zf_sim_read(zf_sim *sim, uint32_t offset);
void zf_sim_write(zf_sim *sim, uint32_t offset, uint32_t value);

/* Start a packet in, tuser on its first beat if `user`, tlast on its last. `data` is copied. */
void zf_sim_send(zf_sim *sim, const void *data, size_t bytes, int user);

/* Start to take a packet out: at most `bytes`, which must be whole beats, up to tlast. `data` must
 * stay until it has ended. */
void zf_sim_receive(zf_sim *sim, void *data, size_t bytes);

/* Give up both transfers. */
void zf_sim_abort(zf_sim *sim);

int zf_sim_sending(const zf_sim *sim);
int zf_sim_receiving(const zf_sim *sim);
size_t zf_sim_received(const zf_sim *sim); /* bytes of the last packet that came */

/* Let clocks pass until one of `until` holds, at most so many; return how many passed. A clock is
 * at least let pass where `until` is 0. */
uint64_t zf_sim_step(zf_sim *sim, uint64_t clocks, int until);

uint64_t zf_sim_clocks(const zf_sim *sim);
int zf_sim_irq(const zf_sim *sim);

#ifdef __cplusplus
}
#endif

#endif
