/* A clock that is set while a program runs: the wall clock is off by as many seconds as the file $CLOCK says. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *off;

__attribute__((constructor)) static void begin(void) {
  int file = open(getenv("CLOCK"), O_RDONLY | O_CLOEXEC);
  void *page = mmap(NULL, sizeof *off, PROT_READ, MAP_SHARED, file, 0);
  if (page == MAP_FAILED) abort();
  off = page;
  close(file);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  int failed = syscall(SYS_clock_gettime, clock, time);
  if (!failed && clock == CLOCK_REALTIME && off) time->tv_sec += *off;
  return failed;
}
