/* Locks in C behind the line protocol of contender.ts: peer pairs|contention pair|pthread|robust [threads] */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum kind { PAIR, PTHREAD, ROBUST };

static _Alignas(64) atomic_int word;
static _Alignas(64) pthread_mutex_t mutex;
static _Alignas(64) volatile uint32_t count;
static _Alignas(64) atomic_int go, stop;

#define INLINE static inline __attribute__((always_inline))

INLINE void acquire(enum kind kind) {
  int expected = 0;
  if (kind == PAIR) atomic_compare_exchange_strong(&word, &expected, 1);
  else pthread_mutex_lock(&mutex);
}

INLINE void release(enum kind kind) {
  if (kind == PAIR) atomic_exchange(&word, 0);
  else pthread_mutex_unlock(&mutex);
}

INLINE uint32_t work(uint32_t x, long steps) {
  for (long i = 0; i < steps; i++) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
  }
  return x;
}

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

INLINE double pairs(enum kind kind, long n) {
  double start = now_ns();
  for (long i = 0; i < n; i++) {
    acquire(kind);
    release(kind);
  }
  return (now_ns() - start) / n;
}

static long inside, outside;

struct contestant {
  pthread_t thread;
  uint32_t acquisitions, rest;
};

static void *contest(void *argument) {
  struct contestant *self = argument;
  uint32_t x = 1, n = 0;
  while (!atomic_load(&go)) sched_yield();
  do {
    acquire(PTHREAD);
    count++;
    x = work(x, inside);
    release(PTHREAD);
    x = work(x, outside);
    n++;
  } while (!atomic_load(&stop));
  self->acquisitions = n;
  self->rest = x;
  return NULL;
}

static void contention(int threads, long ms) {
  struct contestant *all = calloc(threads, sizeof *all);
  uint32_t total = 0;
  count = 0;
  atomic_store(&stop, 0);
  atomic_store(&go, 0);
  for (int i = 0; i < threads; i++) pthread_create(&all[i].thread, NULL, contest, &all[i]);
  clock_t cpu = clock();
  double start = now_ns();
  atomic_store(&go, 1);
  usleep(ms * 1000);
  atomic_store(&stop, 1);
  double elapsed = now_ns() - start;
  cpu = clock() - cpu;
  printf("{\"acquisitions\":[");
  for (int i = 0; i < threads; i++) {
    pthread_join(all[i].thread, NULL);
    total += all[i].acquisitions;
    printf("%s%u", i ? "," : "", all[i].acquisitions);
  }
  if (total != count) printf("],\"error\":\"does not exclude\"}\n");
  else printf("],\"elapsedUs\":%f,\"cpuUs\":%f}\n", elapsed / 1e3, (double)cpu * 1e6 / CLOCKS_PER_SEC);
  free(all);
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  enum kind kind = !strcmp(argv[2], "pair") ? PAIR : !strcmp(argv[2], "robust") ? ROBUST : PTHREAD;
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  if (kind == ROBUST) {
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  }
  pthread_mutex_init(&mutex, &attributes);
  /* glibc takes short cuts while a process has one thread. */
  pthread_t idle;
  pthread_create(&idle, NULL, (void *(*)(void *))pause, NULL);

  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("{}\n");
  char line[256];
  while (fgets(line, sizeof line, stdin)) {
    long a = 0, b = 0, ms = 0;
    sscanf(line, "%ld %ld %ld", &a, &b, &ms);
    if (strcmp(argv[1], "contention") == 0) {
      inside = a;
      outside = b;
      contention(argc > 3 ? atoi(argv[3]) : 2, ms);
    } else if (kind == PAIR) {
      printf("%f\n", pairs(PAIR, a));
    } else {
      printf("%f\n", pairs(PTHREAD, a));
    }
  }
  return 0;
}
