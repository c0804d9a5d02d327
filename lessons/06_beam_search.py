"""
Lesson 6. Does a better search give better translations?

A model says how probable a translation is; to find the most probable one, among 25,000 ^ 20, is another
matter. Greedy decoding takes the most probable word at each step and cannot take it back. Beam search
(Lowerre 1976; for translation Sutskever et al. 2014, section 3.2) keeps the K best beginnings. That is the
idea. But Koehn and Knowles 2017 saw BLEU fall again when K grew, and Stahlberg and Byrne 2019 found that the
most probable translation of all is often the empty one.

Before you run it, write down: how much BLEU has beam 5 more than greedy? At which beam is BLEU greatest,
without a length penalty and with one? In how many of a hundred sentences does greedy miss a translation
that the model itself thinks better? What happens to the length of the translations as the beam grows?

    python lessons/06_beam_search.py
    python lessons/06_beam_search.py --data_dir=data/multi30k --checkpoint=checkpoints/multi30k/best.pt

What came out, exercises, laboratory notes: 06_beam_search.md
"""
import course

import sys, time

import plot
from course import table
from model import choose_device, choose_dtype, keep_freed_memory
from sample import bleu, chrf, load, paired_bootstrap, translate
from tokenizer import read_lines, read_meta

# -----------------------------------------------------------------------------
# config
data_dir = 'data/toy'
checkpoint = ''             # the model to search with; empty: one is trained for it
out_dir = 'checkpoints/lesson6'
max_minutes = 6.0           # of its training
sentences = 1000            # of the test set
length_penalty = 1.0        # alpha of Wu et al. 2016, eq. 14; each beam is searched without it and with it
smoke = False
# -----------------------------------------------------------------------------
BEAMS = 1, 2, 3, 5, 10, 20, 50

def search_all(sources):
    """{(beam, alpha): (translations, their scores, sentences a second)}; for alpha = 0 log-probabilities."""
    device = choose_device('auto')
    dtype = choose_dtype('auto', device)
    keep_freed_memory()
    model, *vocabs = load(checkpoint or f'{out_dir}/best.pt', device)
    runs = {}
    for alpha in (0.0, length_penalty):
        for K in BEAMS:
            began = time.perf_counter()
            found = translate(sources, model, *vocabs, beam_size=K, length_penalty=alpha, dtype=dtype,
                              batch_size=max(1, 640 // K), max_length=1 if smoke else 0)
            texts, scores = zip(*(best[0] for best in found))
            speed = len(sources) / (time.perf_counter() - began)
            print(f'beam {K}, length penalty {alpha}: {speed:.0f} sentences a second', file=sys.stderr)
            runs[K, alpha] = texts, scores, speed
    return runs

def compare_beams(runs, references):
    """A table of all searches, and BLEU by beam as a figure."""
    def count_words(texts):
        return sum(len(text.split()) for text in texts)
    rows, curves = [], {0.0: [], length_penalty: []}
    for (K, alpha), (texts, scores, speed) in runs.items():
        score = bleu(texts, references)
        curves[alpha].append((K, score))
        rows.append([K, alpha, score, chrf(texts, references), count_words(texts) / count_words(references),
                     sum(text == '' for text in texts),
                     f'{sum(scores) / len(scores):.3f}' if alpha == 0 else '', f'{speed:.0f}'])
    table(['beam', 'length penalty', 'BLEU', 'chrF2', 'length ratio', 'empty', 'log-probability',
           'sentences/s'], rows)
    course.save(f'{out_dir}/06_beam_search.svg',
                plot.line_chart('Beam search', 'hypotheses kept', 'BLEU',
                                [('no penalty', curves[0.0]), ('length penalty', curves[length_penalty])]))

def count_search_errors(runs):
    """In how many sentences another beam finds what the model itself, without a penalty, thinks better."""
    def more_probable(K, other):
        pairs = list(zip(*runs[K, 0.0][:2], *runs[other, 0.0][:2]))
        found = sum(text != theirs and score > their_score for text, score, theirs, their_score in pairs)
        return f'{found / len(pairs):.1%}'
    table(['beam', 'finds a more probable one than greedy', f'but beam {BEAMS[-1]} knows a better one'],
          [[K, more_probable(K, 1), more_probable(BEAMS[-1], K)] for K in BEAMS])

def compare_with_greedy(runs, sources, references):
    """Is it more than chance? The beam that is best on one half is compared with greedy on the other."""
    half = len(references) // 2
    best = max(BEAMS[1:], key=lambda K: bleu(runs[K, length_penalty][0][:half], references[:half]))
    beam, greedy = runs[best, length_penalty][0], runs[1, length_penalty][0]
    wins, ties, p_value = paired_bootstrap(beam[half:], greedy[half:], references[half:])
    print(f'\nbeam {best} is best on the first half of the test set; on the second it has more BLEU than '
          f'greedy in {wins:.1%} of 1,000 test sets sampled from that, as much in {ties:.1%}: '
          f'p = {p_value:.3f}')
    rows = [row for row in zip(sources, references, greedy, beam) if row[2] != row[3]]
    table(['source', 'reference', 'greedy', f'beam {best}'], rows[:10])

def main():
    if not checkpoint:
        course.train(out_dir, smoke, data_dir=data_dir, max_minutes=max_minutes)
    meta = read_meta(data_dir)
    sources, references = (list(read_lines(f'{data_dir}/test.{meta[side]}'))[:3 if smoke else sentences]
                           for side in ('source_lang', 'target_lang'))
    runs = search_all(sources)
    compare_beams(runs, references)
    count_search_errors(runs)
    compare_with_greedy(runs, sources, references)

if __name__ == '__main__':
    course.run_lesson(main, globals())
