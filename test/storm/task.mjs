/** The storm as a task of a Piscina pool. */
export { participate as default } from './participate.mjs';
