"""Generation with vLLM through TRL's ``VLLMGeneration``, in the training processes or in a separate server.

vLLM samples from a copy of the policy, which is updated before each batch. A server loads the adapter itself; otherwise
``VLLMGeneration`` takes only full weights, so that base and adapter are merged one tensor at a time, outside the policy.
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

ADAPTER = "engine-"  # prefix of the folders in a run folder from which a server loads adapters


class VLLMGenerator:
    """An engine that samples with vLLM from the current weights of ``policy``.

    vLLM has its own random state: the same seed need not give the same responses.

    Args:
        policy: a ``PeftModel``.
        tokenizer: pads on the left.
        sampling: the sampling settings.
        processes: call :meth:`generate` together.
        rollout: number of concurrent responses, stop strings, and settings of the engine.
        base: the policy section of the configuration.
        folder: the run folder, where adapters for a server are written.

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
                f"rollout.vllm.load_adapter is false, so full weights are sent by NCCL, which does not support {processes.device}.",
                "Set rollout.vllm.load_adapter to true, or train on a CUDA device.",
            )
        if adapts_tied(policy.get_base_model()):
            raise EngineError(
                f"policy.lora.target_modules is {base.lora.target_modules}, and '{base.model}' ties its embedding to its "
                "head: vLLM stores one tensor for both, but with the adapter they differ.",
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
        """The length of the longest response, in tokens."""
        return self._sampling.max_new_tokens

    @torch.no_grad()
    def generate(
        self, prompts: Sequence[Prompt | str], progress: Callable[[int], None] | None = None, draws: Draws | None = None
    ) -> Rollouts:
        """One response per prompt, in order, with the log-probs of the distribution that each token was sampled from.

        Raises:
            DataError: a prompt leaves no room for the longest response in the model's window, or in the engine's.
            EngineError: the engine fails.
        """
        requests = asked(self._tokenizer, prompts, self._policy.device, self._sampling.max_new_tokens, self._window)
        with self._explained():
            self._engine.sync_weights()
            self._together()  # or vLLM's collectives may interleave with those of the last update, and deadlock
            _, answers, logprobs, _ = self._engine.generate(requests.rows, None, 1)
        if progress is not None:
            progress(len(answers))
        sampled_with = [[_only(token) for token in row] for row in logprobs or [[]] * len(answers)]
        return from_lists(requests, answers, sampled_with, self._sampling.ends, self._stop)

    @contextmanager
    def _explained(self, *, starting: bool = False) -> Iterator[None]:
        """Convert connection errors (OSError), a server's refusals (plain Exception) and, at start, any error into ``EngineError``."""
        try:
            yield
        except Exception as error:
            explained = isinstance(error, LenityError) or memory.ran_out(error)
            if explained or not (starting or isinstance(error, OSError) or type(error) is Exception):
                raise
            lines = str(error).splitlines() or [type(error).__name__]
            raise EngineError(
                f"{self._where} failed ({lines[0][:300]}). What was done before is saved.",
                "Start it as docs/scale.md says and go on with --resume, or with another rollout.engine and --allow-changes.",
            ) from error


class Plain(PartialState):  # type: ignore[misc]  # accelerate has no types
    """The accelerator that TRL expects, without plugins, so that TRL gathers no weights itself: :class:`Merged` gathers them."""

    state = SimpleNamespace(deepspeed_plugin=None, fsdp_plugin=None)


class Merged(torch.nn.Module):
    """The policy as a model with merged weights, as far as ``VLLMGeneration`` reads one; the policy itself is not changed."""

    def __init__(self, policy: Any) -> None:
        super().__init__()
        self._policy = (policy,)  # in a tuple, or it would be a submodule, whose adapter TRL would find
        self.name_or_path = policy.get_base_model().name_or_path

    def named_parameters(self, *arguments: Any, **options: Any) -> Iterator[tuple[str, Tensor]]:  # type: ignore[override]
        """The names of a checkpoint of the base model with W + (alpha / r) B A, one tensor at a time."""
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
                for layer in layers  # one per parameter that peft adapts, such as fused experts
                for adapter in layer.active_adapters
                if getattr(layer, "parameter_name", "weight") == last
            ]
            whole = _gathered(weight)
            yield owner + "".join(inner), (whole.float() + sum(deltas)).to(weight.dtype) if deltas else whole


class AdapterServer(VLLMGeneration):  # type: ignore[misc]  # trl has no types
    """A vLLM server that loads each adapter from a folder in ``run``, to which the server must have access.

    Each adapter has a new name, so that the server does not use what it cached for an earlier one.
    """

    def __init__(self, run: Path, *arguments: Any, **settings: Any) -> None:
        self.run = run
        self.loaded: TemporaryDirectory[str] | None = None
        super().__init__(*arguments, **settings)

    def _init_vllm(self) -> None:
        """Connect to the server, without the NCCL group that full weights would need."""
        if self.accelerator.is_main_process:
            for stale in self.run.glob(f"{ADAPTER}*"):  # left by a run that was killed
                shutil.rmtree(stale)
            self.vllm_client = VLLMClient(base_url=self.server_base_url, connection_timeout=self.server_timeout)
            if not hasattr(self.vllm_client, "model"):
                raise EngineError(
                    "rollout.vllm.load_adapter is true, but the installed TRL has its own server, which loads no adapters.",
                    "Install TRL 1.12 or later, or set rollout.vllm.load_adapter to false.",
                )
        self.accelerator.wait_for_everyone()

    def sync_weights(self) -> None:
        """Write the adapter and let the server load it and unload the last one; only the main process does."""
        if not self.accelerator.is_main_process:
            return
        folder = TemporaryDirectory(prefix=ADAPTER, dir=self.run.absolute())
        path = Path(folder.name)
        path.chmod(0o755)  # the server may run as another user
        self.model.save_pretrained(path, save_embedding_layers=False)  # the base's, which vLLM refuses in an adapter
        self._request("load_lora_adapter", {"lora_name": path.name, "lora_path": str(path)})
        if self.loaded is not None:
            self._request("unload_lora_adapter", {"lora_name": Path(self.loaded.name).name})
            self.loaded.cleanup()
        self.loaded, self.vllm_client.model = folder, path.name

    def _request(self, path: str, body: dict[str, str]) -> None:
        reply = self.vllm_client.session.post(f"{self.vllm_client.base_url}/v1/{path}", json=body)
        if not reply.ok:
            raise OSError(f"/v1/{path} answers {reply.status_code}: {reply.text[:200]}")


def _gathered(weight: Tensor) -> Tensor:
    """The full tensor of a sharded weight; a collective call of all processes."""
    own: Any = weight.detach()
    return own.full_tensor() if isinstance(own, DTensor) else own


def _only(token: Sequence[float | None]) -> float:
    """The log-prob of the sampled token, the only one that was requested; NaN if the engine returned none."""
    logprob = token[0]
    return float("nan") if logprob is None else logprob
