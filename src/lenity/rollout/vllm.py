"""vLLM through TRL's ``VLLMGeneration``: in the training processes, or in a server of its own.

vLLM samples from a copy of the policy, which is brought up to date before each batch. A server loads the adapter as it is; elsewhere
``VLLMGeneration`` takes whole weights alone, so that base and adapter are added up one tensor at a time, beside the policy.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor
from torch.distributed.tensor import DTensor
from trl.generation.vllm_client import VLLMClient
from trl.generation.vllm_generation import VLLMGeneration

from lenity.config.sections import Policy, Rollout
from lenity.data.conversation import Prompt
from lenity.distributed import memory
from lenity.distributed.processes import Processes
from lenity.errors import EngineError, LenityError
from lenity.models.merge import adapts_tied
from lenity.rollout.answers import asked, from_lists
from lenity.rollout.batch import Rollouts
from lenity.rollout.decoding import Sampling
from lenity.rollout.draws import Draws

ADAPTER = "engine-"  # how the folders of a run begin that a server reads adapters from


class VLLMGenerator:
    """Samples with vLLM from ``policy`` as it is when asked.

    vLLM has random numbers of its own: the same seed need not give the same responses.

    Args:
        policy: a ``PeftModel``.
        tokenizer: pads on the left.
        sampling: how tokens are chosen.
        processes: ask together.
        rollout: how many responses at once, stop strings, and settings of the engine.
        base: the policy section of the configuration.
        folder: of the run; adapters for a server go there.

    Raises:
        EngineError: vLLM does not start, or the server cannot be reached.
    """

    copies = True

    def __init__(
        self, policy: Any, tokenizer: Any, sampling: Sampling, processes: Processes, *,
        rollout: Rollout, base: Policy, folder: Path,
    ) -> None:  # fmt: skip
        settings = rollout.vllm
        self._policy, self._tokenizer, self._sampling, self._stop = (
            policy,
            tokenizer,
            sampling,
            tuple(filter(None, rollout.stop)),
        )
        self._window = settings.max_model_length
        served = settings.mode == "server"
        self._where = f"the vLLM server at {settings.url}" if served else "vLLM"
        if served and not settings.load_adapter and processes.device.type != "cuda":
            raise EngineError(
                f"rollout.vllm.load_adapter is false, and whole weights are sent by NCCL, which {processes.device} has not.",
                "Set rollout.vllm.load_adapter to true, or train on a CUDA device.",
            )
        if adapts_tied(policy.get_base_model()):
            raise EngineError(
                f"policy.lora.target_modules is {base.lora.target_modules}, and '{base.model}' has its embedding as its "
                "head: vLLM keeps one tensor for both, which the adapter makes two.",
                "Leave the embedding and the head out of policy.lora.target_modules, or use rollout.engine lenity or continuous.",
            )
        self._together = processes.wait if settings.tensor_parallel > 1 else lambda: None
        adapters = served and settings.load_adapter
        start = partial(AdapterServer, folder) if adapters else VLLMGeneration
        with self._explained(starting=True):
            self._engine = start(
                policy if adapters else Merged(policy), Plain(), tokenizer, mode=settings.mode,
                server_base_url=settings.url, server_timeout=settings.timeout, group_port=settings.group_port,
                tensor_parallel_size=settings.tensor_parallel, gpu_memory_utilization=settings.gpu_memory_utilization,
                max_model_length=settings.max_model_length, max_num_seqs=rollout.generation_batch_size,
                enable_sleep_mode=settings.sleep, trust_remote_code=base.trust_remote_code,
                temperature=sampling.temperature, top_p=sampling.top_p, max_completion_length=sampling.max_new_tokens,
                generation_kwargs={
                    "min_tokens": sampling.min_new_tokens, "stop_token_ids": list(sampling.ends),
                    "stop": list(self._stop), "include_stop_str_in_output": True,
                },
            )  # fmt: skip

    @property
    def max_new_tokens(self) -> int:
        """Of the longest response."""
        return self._sampling.max_new_tokens

    @torch.no_grad()
    def generate(
        self, prompts: Sequence[Prompt | str], progress: Callable[[int], None] | None = None, draws: Draws | None = None
    ) -> Rollouts:
        """One response a prompt, in order, with the log-probs of the distribution that each token was drawn from.

        Raises:
            DataError: a prompt leaves no room for the longest response in the model's window, or in the engine's.
            EngineError: the engine fails.
        """
        given = asked(self._tokenizer, prompts, self._policy.device, self._sampling.max_new_tokens, self._window)
        with self._explained():
            self._engine.sync_weights()
            self._together()  # or vLLM's collectives may meet those of the last update, and wait for ever
            _, answers, logprobs, _ = self._engine.generate(given.rows, None, 1)
        if progress is not None:
            progress(len(answers))
        drawn = [[_only(token) for token in row] for row in logprobs or [[]] * len(answers)]
        return from_lists(given, answers, drawn, self._sampling.ends, self._stop)

    @contextmanager
    def _explained(self, *, starting: bool = False) -> Iterator[None]:
        """Errors of a connection are OSError, a server's refusals plain Exception; while it starts, any may come."""
        try:
            yield
        except Exception as error:
            known = isinstance(error, LenityError) or memory.ran_out(error)
            if known or not (starting or isinstance(error, OSError) or type(error) is Exception):
                raise
            said = str(error).splitlines() or [type(error).__name__]
            raise EngineError(
                f"{self._where} failed ({said[0][:300]}). What was done before is saved.",
                "Start it as docs/scale.md says and go on with --resume, or with another rollout.engine and --allow-changes.",
            ) from error


class Plain(PartialState):  # type: ignore[misc]  # accelerate has no types
    """What TRL asks of an accelerator, where it has nothing to gather by itself: :class:`Merged` does."""

    state = SimpleNamespace(deepspeed_plugin=None, fsdp_plugin=None)


class Merged(torch.nn.Module):
    """The policy as a model without an adapter, as far as ``VLLMGeneration`` reads one; the policy stays as it is."""

    def __init__(self, policy: Any) -> None:
        super().__init__()
        self._policy = (policy,)  # hidden in a tuple, or it would be a part whose adapter is found
        self.name_or_path = policy.get_base_model().name_or_path

    def named_parameters(self, *arguments: Any, **options: Any) -> Iterator[tuple[str, Tensor]]:  # type: ignore[override]
        """Names as in a checkpoint of the base model, and W + (alpha / r) B A, one tensor at a time."""
        (policy,) = self._policy
        base = policy.get_base_model()
        for name, weight in base.named_parameters():
            if policy.base_model.prefix in name:
                continue
            owner, *inner = name.split(".base_layer")
            layers = [base.get_submodule(owner + ".base_layer" * depth) for depth in range(len(inner))]
            last = name.rpartition(".")[2]
            deltas = [
                layer.get_delta_weight(adapter).float()
                for layer in layers  # one a parameter that peft adapts, such as fused experts
                for adapter in layer.active_adapters
                if getattr(layer, "parameter_name", "weight") == last
            ]
            whole = _gathered(weight)
            yield owner + "".join(inner), (whole.float() + sum(deltas)).to(weight.dtype) if deltas else whole


class AdapterServer(VLLMGeneration):  # type: ignore[misc]  # trl has no types
    """A server that loads each adapter from a folder in ``run``, which it must see too.

    Each has a new name, so that nothing the server has cached under the last one is taken for it.
    """

    def __init__(self, run: Path, *arguments: Any, **settings: Any) -> None:
        self.run = run
        self.loaded: TemporaryDirectory[str] | None = None
        super().__init__(*arguments, **settings)

    def _init_vllm(self) -> None:
        """Without the NCCL group by which whole weights would go."""
        if self.accelerator.is_main_process:
            for left in self.run.glob(f"{ADAPTER}*"):  # by a run that was killed
                shutil.rmtree(left)
            self.vllm_client = VLLMClient(base_url=self.server_base_url, connection_timeout=self.server_timeout)
            if not hasattr(self.vllm_client, "model"):
                raise EngineError(
                    "rollout.vllm.load_adapter is true, and this TRL talks to a server of its own, which loads no adapters.",
                    "Install TRL 1.12 or later, or set rollout.vllm.load_adapter to false.",
                )
        self.accelerator.wait_for_everyone()

    def sync_weights(self) -> None:
        """The main process writes the adapter and has the server load it, and forget the last."""
        if not self.accelerator.is_main_process:
            return
        folder = TemporaryDirectory(prefix=ADAPTER, dir=self.run.absolute())
        path = Path(folder.name)
        path.chmod(0o755)  # the server may run as another user
        self.model.save_pretrained(path, save_embedding_layers=False)  # the base's, which vLLM refuses in an adapter
        self._ask("load_lora_adapter", {"lora_name": path.name, "lora_path": str(path)})
        if self.loaded is not None:
            self._ask("unload_lora_adapter", {"lora_name": Path(self.loaded.name).name})
            self.loaded.cleanup()
        self.loaded, self.vllm_client.model = folder, path.name

    def _ask(self, what: str, body: dict[str, str]) -> None:
        answer = self.vllm_client.session.post(f"{self.vllm_client.base_url}/v1/{what}", json=body)
        if not answer.ok:
            raise OSError(f"/v1/{what} answers {answer.status_code}: {answer.text[:200]}")


def _gathered(weight: Tensor) -> Tensor:
    """The whole of a weight that the processes share, which is a meeting of all."""
    own: Any = weight.detach()
    return own.full_tensor() if isinstance(own, DTensor) else own


def _only(token: Sequence[float | None]) -> float:
    """The log-prob of the token that was drawn, the only one that was asked for."""
    found = token[0]
    return float("nan") if found is None else found
