import { comments, type Finding, finding, type Rule, under } from './rule.js';

const code = ['src', 'native-layout'];
const unfinished = /\b(TODO|FIXME)\b/;
const banner = /^[\s/*]*([-=#~*_])\1{3,}.*\1{4,}[\s/*]*$/;

export const nothingUnfinished: Rule = {
  name: 'no unfinished work in comments',
  check(tree) {
    const findings: Finding[] = [];
    for (const source of under(tree, ...code, 'test', 'bench', 'examples')) {
      for (const { pos, text } of comments(source)) {
        const mark = unfinished.exec(text);
        if (mark) findings.push(finding(source, pos + mark.index, `${mark[0]}; do it, or write what is missing in an issue or an ADR`));
      }
    }
    return findings;
  },
  refuses: [
    { 'src/locks/mutex.ts': 'const x = 1; // TODO: faster' },
    { 'test/mutex.test.ts': '/**\n * FIXME\n */\nexport const x = 1;' },
    { 'bench/main.ts': 'f(/* TODO */);' },
  ],
  accepts: [{ 'src/locks/mutex.ts': 'const mastodon = `// TODO`; // Mastodons.' }],
};

export const noBanners: Rule = {
  name: 'no banners in comments',
  check(tree) {
    const findings: Finding[] = [];
    for (const source of under(tree, ...code, 'test', 'bench', 'examples')) {
      for (const { pos, text } of comments(source)) {
        let at = pos;
        for (const line of text.split('\n')) {
          if (banner.test(line)) findings.push(finding(source, at, 'banner; delete it, or make two files'));
          at += line.length + 1;
        }
      }
    }
    return findings;
  },
  refuses: [
    { 'src/locks/mutex.ts': '// ---- Slow path ---------\nexport {};' },
    { 'src/locks/mutex.ts': '/*\n * ==========\n */\nexport {};' },
    { 'test/mutex.test.ts': '/***********/' },
  ],
  accepts: [
    { 'src/raw/mutex.ts': '/**\n * +------+------+\n * | a    | b    |\n * |------|------|\n * #1 --> #2\n */\nexport {};' },
  ],
};
