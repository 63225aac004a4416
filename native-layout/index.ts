export { mask } from './dsl.js';
export * from './records.js';
export { fingerprint } from './fingerprint.js';
