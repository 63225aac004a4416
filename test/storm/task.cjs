/** The storm as a task of a Piscina pool. */
module.exports = require('./participate.cjs').participate;
