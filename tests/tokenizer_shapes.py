"""Tokenizers of the shapes that models come with, trained on a few dialogues, each of which appends EOS (or [SEP]) to every text."""

from __future__ import annotations

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

TEXTS = [
    "\n\nHuman: Hello there, how are you?\n\nAssistant: I am fine. Yes: do STOP it.\n\nHuman: ok then\n\nAssistant: Bye for now.",
    "\n\nHuman: Where is the café 😀?\n\nAssistant: Over there; on the left\n\nHuman: thanks\n\nAssistant: You are welcome!",
]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
ISOLATED = pre_tokenizers.Split(Regex(r"\n|[:.,;?!]"), "isolated")  # so that no token holds the end of a turn and more
QWEN = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"  # as in Qwen and Llama 3


def spm():
    """SentencePiece as in Llama 2: a ``▁`` before every text, whatever it begins with; bytes for the unknown."""
    normal = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return normal, ISOLATED, decoder


def metaspace(scheme):
    """``▁`` before every text, or before the first of its parts."""
    pre = pre_tokenizers.Sequence([ISOLATED, pre_tokenizers.Metaspace(prepend_scheme=scheme)])
    return None, pre, decoders.Metaspace(prepend_scheme=scheme)


def byte_level(*, prefix):
    """As in GPT-2, or in RoBERTa-like ones with a space before every text."""
    return None, pre_tokenizers.ByteLevel(add_prefix_space=prefix), decoders.ByteLevel()


def qwen():
    """A full stop and the line ends behind it are one token."""
    split = pre_tokenizers.Split(Regex(QWEN), "isolated")
    pre = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return None, pre, decoders.ByteLevel()


def bpe(parts, *, fallback=False):
    """A BPE of such parts, with ``<s>`` before a text and ``</s>`` behind it."""
    normal, pre, decoder = parts
    core = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=fallback, fuse_unk=True))
    if normal is not None:
        core.normalizer = normal
    core.pre_tokenizer, core.decoder = pre, decoder
    special = ["<unk>", "<s>", "</s>", "<pad>", "<|stop|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=1000, special_tokens=special + BYTES * fallback, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if isinstance(decoder, decoders.ByteLevel) else [],
    )  # fmt: skip
    core.train_from_iterator(TEXTS * 20, trainer)
    return fast(core, special[1:3], bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>")


def wordpiece():
    """As in BERT."""
    core = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    core.normalizer, core.pre_tokenizer = normalizers.BertNormalizer(lowercase=False), pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece()
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]"]
    core.train_from_iterator(TEXTS * 20, trainers.WordPieceTrainer(special_tokens=special, show_progress=False))
    return fast(core, special[1:3], cls_token="[CLS]", eos_token="[SEP]", unk_token="[UNK]", pad_token="[PAD]")


def fast(core, around, **special):
    """With ``around`` before and behind each text."""
    first, last = around
    ids = [(token, core.token_to_id(token)) for token in around]
    template = processors.TemplateProcessing(
        single=f"{first} $A {last}", pair=f"{first} $A {last} $B {last}", special_tokens=ids
    )
    trimmed = isinstance(core.decoder, decoders.ByteLevel)
    steps = [processors.ByteLevel(trim_offsets=True), template] if trimmed else [template]
    core.post_processor = processors.Sequence(steps)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, padding_side="left", **special)
    if core.token_to_id("<|stop|>") is not None:
        tokenizer.add_special_tokens({"additional_special_tokens": ["<|stop|>"]})
    return tokenizer


SHAPES = {
    "spm": lambda: bpe(spm(), fallback=True),
    "metaspace always": lambda: bpe(metaspace("always")),
    "metaspace first": lambda: bpe(metaspace("first")),
    "byte level": lambda: bpe(byte_level(prefix=False)),
    "byte level, prefix space": lambda: bpe(byte_level(prefix=True)),
    "qwen": lambda: bpe(qwen()),
    "wordpiece": wordpiece,
}
