#!/usr/bin/env bash
# Tokenizers that can be undone are not undone where the text has their own mark. pyonmttok 1.38.1 (the Tokenizer of
# OpenNMT) makes of the joiner U+FFED a black square, and of the lower block U+2581, which is SentencePiece's mark, an
# underscore; sentencepiece 0.2.1 makes a space of U+2581. Nothing is said. Progress bars and charts on web pages are
# drawn with U+2581, so crawled text has it. (subword-nmt 0.3.8 keeps its own "@@".)
# Expected: the text again, an escape, or an error.
# Seen with CPython 3.11.7, pyonmttok 1.38.1, sentencepiece 0.2.1:
#   pyonmttok      'a ￭ b' -> 'a ■ b'   'load ▁▂▃' -> 'load _▂▃'
#   sentencepiece  'a▁b' -> 'a b'
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyonmttok==1.38.1 sentencepiece==0.2.1
cat >"$folder/run.py" <<'PYTHON'
import io, pyonmttok, sentencepiece

tokenizer = pyonmttok.Tokenizer('aggressive', joiner_annotate=True)
back = {text: tokenizer.detokenize(tokenizer.tokenize(text)[0]) for text in ('a ￭ b', 'load ▁▂▃')}
print('pyonmttok     ', '   '.join(f'{text!r} -> {again!r}' for text, again in back.items()))

model = io.BytesIO()
text = iter(['a b c d', 'b c a d', 'a▁b c d'] * 9)
sentencepiece.SentencePieceTrainer.train(sentence_iterator=text, model_writer=model, vocab_size=12,
                                         hard_vocab_limit=False, minloglevel=2)
tokenizer = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
print('sentencepiece ', f'{"a▁b"!r} -> {tokenizer.decode(tokenizer.encode("a▁b"))!r}')
PYTHON
seen=$(PYTHONUTF8=1 "$folder/venv/bin/python" "$folder/run.py")
echo "$seen"
[ "$seen" = "pyonmttok      'a ￭ b' -> 'a ■ b'   'load ▁▂▃' -> 'load _▂▃'
sentencepiece  'a▁b' -> 'a b'" ]
