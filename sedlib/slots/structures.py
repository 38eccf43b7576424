"""The table of attention structures: which weights an attention module has, and what each of them holds.

Roles are letters: Q, K, V and O, the weights of queries, keys, values and of the output. A weight that holds several of
them is fused. Inside it, heads lie in blocks (all queries, then all keys, then all values) or in groups (for each head
of keys: its queries, its key, its value), which no shape tells: where models of one structure differ, the class does.
"""

from dataclasses import dataclass
from enum import Enum

from torch import nn


class Order(Enum):
    """How the heads of a fused weight follow each other."""

    BLOCKS = "blocks"
    """Q of every head, K of every head, V of every head."""
    GROUPS = "groups"
    """For each head of keys and values: Q of the heads that use it, then its K, then its V."""
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Structure:
    """Weights of an attention module, by their place below it, with the roles that each holds."""

    roles: dict[str, str]
    order: Order = Order.BLOCKS
    classes: tuple[str, ...] = ()
    """What the class's name must begin with; nothing: any class."""

    def fits(self, owner: nn.Module) -> bool:
        """Whether the module is of a class that this structure is of."""
        names = [kind.__name__ for kind in type(owner).__mro__]
        return not self.classes or any(name.startswith(self.classes) for name in names)


def _layers(names: str, order: Order = Order.BLOCKS, classes: tuple[str, ...] = (), roles: str = "") -> Structure:
    """Of submodules with a ``weight`` each: Q, K, V and O, or a fused weight and O, or as ``roles`` say."""
    paths = names.split()
    letters = roles.split() or {4: ["Q", "K", "V", "O"], 2: ["QKV", "O"]}[len(paths)]
    return Structure({f"{path}.weight": each for path, each in zip(paths, letters, strict=True)}, order, classes)


STRUCTURES = (
    Structure({"in_proj_weight": "QKV", "out_proj.weight": "O"}),  # torch.nn.MultiheadAttention
    Structure({"q_proj_weight": "Q", "k_proj_weight": "K", "v_proj_weight": "V", "out_proj.weight": "O"}),  # with kdim
    _layers("linear_Q linear_K linear_V out_proj"),  # the quantizable torch.nn.MultiheadAttention
    _layers("q_proj k_proj v_proj o_proj"),  # Llama, Mistral, Qwen, Gemma, ViT
    _layers("q_proj k_proj v_proj out_proj"),  # OPT, BART, CLIP, Whisper, GPT-J, GPT-Neo
    _layers("q_proj k_proj v_proj dense"),  # Phi
    _layers("q_proj k_proj v_proj proj"),  # timm, where Q, K and V are apart
    _layers("q_lin k_lin v_lin out_lin"),  # DistilBERT
    _layers("q k v o"),  # T5
    _layers("Wq Wk Wv dense"),  # CTRL
    _layers("to_q to_k to_v to_out.0"),  # diffusers
    _layers("self.query self.key self.value output.dense"),  # BERT, RoBERTa, ELECTRA
    _layers("attention.query attention.key attention.value output.dense"),  # ViT of earlier versions, BLIP-2's Q-Former
    _layers("self.query_proj self.key_proj self.value_proj output.dense"),  # DeBERTa-v2 and v3
    _layers("query key value dense"),  # ALBERT
    _layers("self.in_proj output.dense", Order.GROUPS, ("Deberta",)),
    _layers("q_attn c_attn c_proj", roles="Q KV O"),  # GPT-2's cross-attention
    _layers("c_attn c_proj", Order.GROUPS, ("GPTBigCode",)),
    _layers("c_attn c_proj"),  # GPT-2
    _layers("q kv proj", roles="Q KV O"),  # timm's attention pooling
    _layers("qkv proj"),  # timm's vision transformers, SAM
    _layers("qkv projection"),  # BLIP's vision model
    _layers("to_qkv to_out.0"),
    _layers("Wqkv out_proj"),  # MPT
    _layers("Wqkv Wo"),  # ModernBERT
    _layers("qkv_proj o_proj"),  # Phi-3
    _layers("qkv_proj out_proj", Order.UNKNOWN),  # CodeGen interleaves by what its first machine had
    _layers("query_key_value dense", Order.GROUPS, ("GPTNeoX", "Bloom", "Falcon", "Persimmon")),
    _layers("query_key_value dense", Order.UNKNOWN),  # ChatGLM has blocks or groups, by version
    _layers("q_a_proj q_b_proj kv_a_proj_with_mqa kv_b_proj o_proj", Order.UNKNOWN, roles="Q Q KV KV O"),  # DeepSeek
    _layers("q_proj kv_a_proj_with_mqa kv_b_proj o_proj", Order.UNKNOWN, roles="Q KV KV O"),
)
"""From the special to the general: a module is of the first structure whose weights it has."""
