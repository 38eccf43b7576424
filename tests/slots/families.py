"""Tiny networks of every family, built from their configurations with random weights, and what is known of each."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedlib.base.randomness import generator
from sedlib.grokking.network.model import build

Sizes = dict[str, Any]

ENDS: Sizes = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
BODY: Sizes = {"hidden_size": 16, "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4}
TEXT = BODY | ENDS | {"vocab_size": 30, "max_position_embeddings": 32}
GPT = ENDS | {"vocab_size": 30, "n_embd": 16, "n_head": 4, "n_layer": 2, "n_positions": 32}
IMAGE = BODY | {"image_size": 8, "patch_size": 4}
BOTH_SIDES: Sizes = {
    f"{side}_{what}": size
    for side in ("encoder", "decoder")
    for what, size in (("layers", 2), ("attention_heads", 4), ("ffn_dim", 20))
}
SEQ2SEQ = ENDS | BOTH_SIDES | {"d_model": 16, "vocab_size": 30, "decoder_start_token_id": 1}


@dataclass(frozen=True, eq=False)
class Family:
    """A network, and one of its attention modules, described by hand."""

    model: str
    """A class of transformers."""
    sizes: Sizes
    attention: str
    """Name of an attention module, in layer 1."""
    output: str
    """Name of its output projection, below it."""
    inputs: str = "text"
    groups: int = 4
    """Number of heads of keys and values; of queries there are four."""
    is_cross: bool = False
    layer: int = 1

    def network(self) -> nn.Module:
        """In double precision, in eval mode, with every weight random."""
        torch.manual_seed(0)
        network = OWN[self.model]() if self.model in OWN else _from_configuration(self.model, self.sizes)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.copy_(torch.randn(parameter.shape) / 3)
        return network.double().eval()

    def given(self) -> dict[str, Tensor]:
        """What the network's forward takes."""
        random = generator(0, "inputs")
        ids = torch.randint(3, 30, (2, 5), generator=random)
        images = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=random)
        hidden = torch.randn(2, 6, 16, dtype=torch.float64, generator=random)
        sound = torch.randn(2, 8, 32, dtype=torch.float64, generator=random)
        return {
            "text": {"input_ids": ids},
            "images": {"pixel_values": images},
            "cross": {"input_ids": ids, "encoder_hidden_states": hidden},
            "pairs": {"input_ids": ids, "decoder_input_ids": ids.flip(1)},
            "sound": {"input_features": sound, "decoder_input_ids": ids},
            "text and images": {"input_ids": ids, "pixel_values": images},
            "hidden": {"h": hidden},
            "two tokens": {"h": hidden[:, :2]},
        }[self.inputs]


def _from_configuration(name: str, sizes: Sizes) -> nn.Module:
    import transformers

    transformers.logging.set_verbosity_error()
    model = getattr(transformers, name)
    return model(model.config_class(**sizes))


class TimmBlock(nn.Module):
    """Attention with the names and the arithmetic of timm's vision transformers."""

    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.Module()
        self.attn.num_heads = 4  # type: ignore[assignment]
        self.attn.qkv, self.attn.proj = nn.Linear(16, 48), nn.Linear(16, 16)
        self.norm1, self.mlp = nn.LayerNorm(16), nn.ModuleDict({"fc1": nn.Linear(16, 20), "fc2": nn.Linear(20, 16)})

    def forward(self, x: Tensor) -> Tensor:
        attn: Any = self.attn
        batch, tokens, width = x.shape
        qkv = attn.qkv(self.norm1(x)).reshape(batch, tokens, 3, attn.num_heads, width // attn.num_heads)
        mixed = F.scaled_dot_product_attention(*qkv.permute(2, 0, 3, 1, 4).unbind(0))
        x = x + attn.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return x + self.mlp["fc2"](self.mlp["fc1"](x))


class Timm(nn.Module):
    """Two blocks in a Sequential, as in timm's VisionTransformer."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(TimmBlock(), TimmBlock())

    def forward(self, h: Tensor) -> Tensor:
        return self.blocks(h)


OWN = {"timm": Timm, "ours": lambda: build(7, 2, 16, 4, 20, 2, generator(0, "init"))}


def of_llama(model: str, **sizes: Any) -> Family:
    """With q_proj … o_proj, and two queries to a key."""
    return Family(model, TEXT | {"num_key_value_heads": 2} | sizes, "model.layers.1.self_attn", "o_proj", groups=2)


def of_bert(model: str, prefix: str, kind: str = "attention", **sizes: Any) -> Family:
    """With self.query … output.dense."""
    cross = kind == "crossattention"
    inputs = "cross" if cross else "text"
    return Family(model, TEXT | sizes, f"{prefix}.encoder.layer.1.{kind}", "output.dense", inputs, is_cross=cross)


def of_two_sides(model: str, attention: str, output: str, inputs: str, **sizes: Any) -> Family:
    """Of the decoder, looking at the encoder."""
    return Family(model, SEQ2SEQ | sizes, attention, output, inputs, is_cross=True)


FALCON, NO_BLOCKS = TEXT | {"new_decoder_architecture": False}, {"num_layers": 2, "num_heads": 4, "d_kv": 4, "d_ff": 20}
CROSS_GPT = GPT | {"add_cross_attention": True}
CLIP: Sizes = {
    "text_config": TEXT | {"projection_dim": 8},
    "vision_config": IMAGE | {"projection_dim": 8},
    "projection_dim": 8,
}
WHISPER: Sizes = {"num_mel_bins": 8, "max_source_positions": 16, "max_target_positions": 16}
DEEP: Sizes = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 4}

FAMILIES = {
    "GPT-2": Family("GPT2LMHeadModel", CROSS_GPT, "transformer.h.1.attn", "c_proj", "cross"),
    "GPT-2, cross": Family(
        "GPT2LMHeadModel", CROSS_GPT, "transformer.h.1.crossattention", "c_proj", "cross", is_cross=True
    ),
    "GPT-J": Family("GPTJForCausalLM", GPT | {"rotary_dim": 4}, "transformer.h.1.attn", "out_proj"),
    "GPT-BigCode": Family("GPTBigCodeForCausalLM", GPT, "transformer.h.1.attn", "c_proj", groups=1),
    "GPT-BigCode, many": Family(
        "GPTBigCodeForCausalLM", GPT | {"multi_query": False}, "transformer.h.1.attn", "c_proj"
    ),
    "Pythia": Family("GPTNeoXForCausalLM", TEXT, "gpt_neox.layers.1.attention", "dense"),
    "Persimmon": Family("PersimmonForCausalLM", TEXT, "model.layers.1.self_attn", "dense"),
    "Llama": of_llama("LlamaForCausalLM"),
    "Mistral": of_llama("MistralForCausalLM"),
    "Qwen-2": of_llama("Qwen2ForCausalLM"),
    "Qwen-3": of_llama("Qwen3ForCausalLM", head_dim=8),
    "Gemma": of_llama("GemmaForCausalLM", head_dim=8),
    "Gemma-2": of_llama("Gemma2ForCausalLM", head_dim=8),
    "Phi": Family("PhiForCausalLM", TEXT, "model.layers.1.self_attn", "dense"),
    "Phi-3": of_llama("Phi3ForCausalLM"),
    "Falcon": Family("FalconForCausalLM", FALCON, "transformer.h.1.self_attention", "dense", groups=1),
    "Falcon, many": Family(
        "FalconForCausalLM", FALCON | {"multi_query": False, "alibi": True}, "transformer.h.1.self_attention", "dense"
    ),
    "Falcon, new": Family(
        "FalconForCausalLM",
        TEXT | {"new_decoder_architecture": True, "num_kv_heads": 2},
        "transformer.h.1.self_attention",
        "dense",
        groups=2,
    ),
    "BLOOM": Family("BloomForCausalLM", TEXT | {"n_layer": 2, "n_head": 4}, "transformer.h.1.self_attention", "dense"),
    "MPT": Family(
        "MptForCausalLM",
        ENDS | {"vocab_size": 30, "d_model": 16, "n_layers": 2, "n_heads": 4, "max_seq_len": 32},
        "transformer.blocks.1.attn",
        "out_proj",
    ),
    "OPT": Family(
        "OPTForCausalLM",
        TEXT | {"ffn_dim": 20, "word_embed_proj_dim": 16},
        "model.decoder.layers.1.self_attn",
        "out_proj",
    ),
    "BART": of_two_sides("BartForConditionalGeneration", "model.decoder.layers.1.encoder_attn", "out_proj", "pairs"),
    "BART, encoder": Family(
        "BartForConditionalGeneration", SEQ2SEQ, "model.encoder.layers.1.self_attn", "out_proj", "pairs"
    ),
    "Whisper": of_two_sides(
        "WhisperForConditionalGeneration", "model.decoder.layers.1.encoder_attn", "out_proj", "sound", **WHISPER
    ),
    "T5": of_two_sides(
        "T5ForConditionalGeneration", "decoder.block.1.layer.1.EncDecAttention", "o", "pairs", **NO_BLOCKS
    ),
    "T5, encoder": Family(
        "T5ForConditionalGeneration", SEQ2SEQ | NO_BLOCKS, "encoder.block.1.layer.0.SelfAttention", "o", "pairs"
    ),
    "CLIP": Family("CLIPModel", CLIP, "vision_model.encoder.layers.1.self_attn", "out_proj", "text and images"),
    "ViT": Family("ViTModel", IMAGE, "layers.1.attention", "o_proj", "images"),
    "timm": Family("timm", {}, "blocks.1.attn", "proj", "hidden"),
    "BERT": of_bert("BertForMaskedLM", "bert"),
    "BERT, cross": of_bert("BertLMHeadModel", "bert", "crossattention", is_decoder=True, add_cross_attention=True),
    "RoBERTa": of_bert("RobertaForMaskedLM", "roberta"),
    "ELECTRA": of_bert("ElectraForMaskedLM", "electra", embedding_size=16),
    "DeBERTa": of_bert("DebertaForMaskedLM", "deberta"),
    "DeBERTa-v2": of_bert("DebertaV2ForMaskedLM", "deberta"),
    "ModernBERT": Family("ModernBertForMaskedLM", TEXT, "model.layers.1.attn", "Wo"),
    "ALBERT": Family(
        "AlbertForMaskedLM",
        TEXT | {"embedding_size": 16, "num_hidden_layers": 1},
        "albert.encoder.albert_layer_groups.0.albert_layers.0.attention",
        "dense",
        layer=0,
    ),
    "DistilBERT": Family(
        "DistilBertForMaskedLM",
        TEXT | {"dim": 16, "hidden_dim": 20, "n_layers": 2, "n_heads": 4},
        "distilbert.transformer.layer.1.attention",
        "out_lin",
    ),
    "ours": Family("ours", {}, "encoder.layers.0.self_attn", "out_proj", "two tokens", layer=0),
}
