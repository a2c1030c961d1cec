// Random texts that tokenizers find hard: every Unicode block, Hangul composed and decomposed, emoji with joiners, runs of
// spaces, controls, marks in odd places, and pieces of the vocabulary at hand. The same seed gives the same texts.

export function generator(seed) {
  let state = BigInt.asUintN(64, BigInt(seed) * 0x9e3779b97f4a7c15n + 1n);
  const next = () => {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let z = state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return Number((z ^ (z >> 31n)) >> 11n);
  };
  return (below) => next() % below;
}

const words = ['the', 'Hello', 'WORLD', "don't", "I'm", "we'll", "IT'S", 'naïve', 'Straße', 'İstanbul', 'ﬁne', '한국어', '안녕하세요',
  '대한민국', '삶은', '값', 'ㅋㅋㅋ', '日本語', 'テスト', 'ﾊﾝｶｸ', '中文字', 'العربية', 'हिन्दी', 'ไทย', 'עברית', 'Привет', 'ελληνικά',
  '３４５', '½', '①', '１２３', '0x1F', '3.14159', '1,000,000', 'a@b.c', 'https://x.y/z?q=1#f', '<s>', '</s>', '[MASK]', '##ing', '▁', '▁▁'];
const spaces = [' ', '  ', '   ', '\t', '\n', '\n\n', '\r\n', '\r', ' \n', '\n ', '\u00a0', '\u3000', '\u2003', '\u200b', '\u2028', '\u0085',
  '\u180e', '\ufeff', '\u1680', '\u000b', '\f', '\u2581', '        ', '\u202f'];
const emoji = ['😀', '👨‍👩‍👧‍👦', '👍🏽', '🇰🇷', '🏳️‍🌈', '❤️', '✈︎', '1️⃣', '🧑🏿‍🚀', '🫠', '🪿', '🇰', '‍', '️', '🏴󠁧󠁢󠁥󠁮󠁧󠁿'];
const punctuation = [...'.,;:!?\'"()[]{}<>-_/\\|@#$%^&*+=~`'].concat(['…', '—', '·', '「', '」', '،', '।', '。', '¿', '«', '₩', '€', "'s", "'LL", "'ſ",
  'n\'t', ' .', ' ,', '\'', "''"]);
const odd = [0, 1, 7, 8, 0x0b, 0x1b, 0x1f, 0x7f, 0x80, 0x9f, 0xad, 0x378, 0x600, 0x61c, 0x6dd, 0x70f, 0x200c, 0x200d, 0x200e, 0x202e, 0x2060,
  0xfe0f, 0xfff9, 0xfffc, 0xfffd, 0xfffe, 0xe000, 0x1bca0, 0x1d173, 0xe0001, 0xe0100, 0xf0000, 0x10ffff, 0x1fffe, 0x130, 0x131, 0x17f, 0x1e9e,
  0x212a, 0x3a3, 0x345, 0x149, 0xfb06, 0x1f80, 0x1d15e, 0x2f800, 0xf900, 0x2adc, 0xfb1d, 0x344, 0x1100, 0x1161, 0x11a8, 0xd7b0, 0xd7cb];

function scalar(random) { // any, with each block of 256 alike below U+20000
  for (;;) {
    const c = random(4) ? random(0x20000) : random(4) ? random(0x3000) : random(0x110000);
    if (c < 0xd800 || c > 0xdfff) return String.fromCodePoint(c);
  }
}

function hangul(random) {
  let s = '';
  for (let n = 1 + random(4); n > 0; n--) s += String.fromCodePoint(0xac00 + random(11172));
  return random(3) ? s : s.normalize('NFD');
}

function piece(random, vocabulary, added) {
  switch (random(15)) {
    case 0: return scalar(random);
    case 1: return scalar(random) + scalar(random);
    case 2: { // one block
      const base = random(0x200) * 0x100;
      let s = '';
      for (let n = 1 + random(6); n > 0; n--) {
        const c = base + random(0x100);
        if (c < 0xd800 || c > 0xdfff) s += String.fromCodePoint(c);
      }
      return s;
    }
    case 3: case 4: return hangul(random);
    case 5: return emoji[random(emoji.length)];
    case 6: case 7: return spaces[random(spaces.length)];
    case 8: return punctuation[random(punctuation.length)];
    case 9: return String.fromCodePoint(odd[random(odd.length)]);
    case 10: { // marks on a letter
      let s = 'aeiouAEIOUﬁ가か'[random(13)] ?? 'a';
      for (let n = 1 + random(4); n > 0; n--) s += String.fromCodePoint([0x300, 0x301, 0x308, 0x323, 0x327, 0x345, 0x3099, 0x591, 0x94d, 0x20dd][random(10)]);
      return s;
    }
    case 11: return added.length && random(2) ? added[random(added.length)] : words[random(words.length)];
    case 12: return vocabulary.length ? vocabulary[random(vocabulary.length)] : words[random(words.length)];
    case 13: return String(random(10 ** (1 + random(9))));
    default: return words[random(words.length)];
  }
}

export function text(random, vocabulary = [], added = []) {
  let s = '';
  for (let n = random(20); n > 0; n--) {
    s += piece(random, vocabulary, added);
    if (random(3) === 0) s += ' ';
  }
  return s.toWellFormed();
}
