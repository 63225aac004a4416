import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Lowers `using` and standard decorators, which Node 20 does not parse.
  esbuild: { target: 'node20' },
  test: {
    include: ['test/**/*.test.ts'],
    // Each file runs on the main thread of a process of its own.
    pool: 'forks',
    // One file at a time: tests that time threads need the processors for themselves.
    fileParallelism: false,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    retry: 0,
    // `holdfast` is the built package, loaded by Node itself, as in the workers under test/fixtures.
    server: { deps: { external: [/\/dist\/.*\.c?js$/] } },
  },
});
