import { basename } from 'node:path/posix';
import { type Finding, type Rule, type Tree } from './rule.js';

const kinds = new Set(['utils', 'util', 'helpers', 'helper', 'common', 'types']);
const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$/;
const longest = 400;

/** One finding per offending folder or file, not one per file in an offending folder. */
function* names(tree: Tree): Generator<{ path: string; name: string }> {
  const seen = new Set<string>();
  for (const file of tree.keys()) {
    const parts = file.split('/');
    for (let depth = 1; depth <= parts.length; depth++) {
      const path = parts.slice(0, depth).join('/');
      if (seen.has(path)) continue;
      seen.add(path);
      yield { path, name: basename(path) };
    }
  }
}

export const foldersAreIdeas: Rule = {
  name: 'folders and files are named for ideas',
  check(tree) {
    const findings: Finding[] = [];
    for (const { path, name } of names(tree)) {
      const kind = name.split(/[-.]/).find((word) => kinds.has(word));
      if (kind) {
        findings.push({ path, line: 1, message: `'${kind}' is a kind of thing; name it for the idea, or put it beside what uses it` });
      }
    }
    return findings;
  },
  refuses: [
    { 'src/utils/ring.ts': '' },
    { 'src/locks/helpers.ts': '' },
    { 'src/locks/lock-types.ts': '' },
    { 'test/common/wait.ts': '' },
  ],
  accepts: [{ 'src/locks/mutex.ts': '', 'test/harness/prototypes.ts': '' }],
};

export const kebabCase: Rule = {
  name: 'folders and files are kebab-case',
  check(tree) {
    const findings: Finding[] = [];
    for (const { path, name } of names(tree)) {
      if (kebab.test(name)) continue;
      const instead = name.replace(/([a-z0-9])([A-Z])/g, '$1-$2').replaceAll('_', '-').toLowerCase();
      findings.push({ path, line: 1, message: `is not kebab-case; rename it to '${instead}'` });
    }
    return findings;
  },
  refuses: [{ 'src/locks/readLock.ts': '' }, { 'src/locks/RWLock.ts': '' }, { 'src/lock_words/mutex.ts': '' }],
  accepts: [{ 'src/locks/rw-lock.ts': '', 'test/model/rw-lock.test.ts': '', 'src/shm/web-assembly.d.ts': '' }],
};

export const shortFiles: Rule = {
  name: `files of src have at most ${longest} lines`,
  check(tree) {
    const findings: Finding[] = [];
    for (const [path, text] of tree) {
      const lines = text.replace(/\n$/, '').split('\n').length;
      if (path.startsWith('src/') && lines > longest) {
        findings.push({ path, line: longest + 1, message: `has ${lines} lines; split it into two files by idea` });
      }
    }
    return findings;
  },
  refuses: [{ 'src/locks/mutex.ts': '\n'.repeat(longest + 1) }],
  accepts: [{ 'src/locks/mutex.ts': '\n'.repeat(longest), 'test/mutex.test.ts': '\n'.repeat(longest + 1) }],
};
