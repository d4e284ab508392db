"""A stand-in for vLLM: what TRL imports of it and the endpoints that TRL's client asks, answered slowly by a model of transformers."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

MODULES = ("vllm", "vllm.sampling_params", "vllm.utils", "vllm.utils.network_utils", "vllm.distributed",
           "vllm.distributed.weight_transfer", "vllm.distributed.weight_transfer.nccl_engine")  # fmt: skip
OURS = ("trl.generation", "lenity.rollout.vllm")


@contextmanager
def installed():
    """``import vllm`` gives the stand-in, and TRL is imported anew with it."""
    kept = {name: module for name, module in sys.modules.items() if name.startswith(OURS)}
    for name in kept:
        del sys.modules[name]
    for name in MODULES:
        module = ModuleType(name)
        module.__spec__, module.__path__ = ModuleSpec(name, None), []
        sys.modules[name] = module
    vllm = sys.modules["vllm"]
    vllm.__version__, vllm.LLM, vllm.SamplingParams, vllm.RequestOutput = "0.26.0", LLM, SamplingParams, SimpleNamespace
    sys.modules["vllm.sampling_params"].StructuredOutputsParams = SimpleNamespace
    sys.modules["vllm.utils.network_utils"].get_ip = lambda: "127.0.0.1"
    transfer = sys.modules["vllm.distributed.weight_transfer.nccl_engine"]
    transfer.NCCLTrainerSendWeightsArgs = transfer.NCCLWeightTransferEngine = SimpleNamespace
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name in MODULES or name.startswith(OURS)]:
            del sys.modules[name]
        sys.modules.update(kept)


@dataclass
class SamplingParams:
    """Those of vLLM that are asked for; an unknown one is an error."""

    n: int = 1
    repetition_penalty: float = 1.0
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    max_tokens: int = 16
    logprobs: int | None = None
    min_tokens: int = 0
    stop_token_ids: list = field(default_factory=list)
    stop: list = field(default_factory=list)
    include_stop_str_in_output: bool = False


class LLM:
    """The engine in the same process; ``made`` has each one's settings."""

    made: list[LLM] = []  # noqa: RUF012

    def __init__(self, model, **settings):
        self.model, self.tokenizer = AutoModelForCausalLM.from_pretrained(model), AutoTokenizer.from_pretrained(model)
        self.settings, self.asleep, self.asked = settings, False, []
        runner = SimpleNamespace(model=self)
        worker = SimpleNamespace(model_runner=runner)
        self.llm_engine = SimpleNamespace(model_executor=SimpleNamespace(driver_worker=worker))
        LLM.made.append(self)

    def load_weights(self, weights):
        own = self.model.state_dict()
        for name, weight in weights:
            assert own[name].shape == weight.shape and own[name].dtype == weight.dtype
            own[name].copy_(weight)

    def reset_prefix_cache(self):
        pass

    def sleep(self, level):
        self.asleep = True

    def wake_up(self, tags):
        self.asleep = False

    def generate(self, prompts, sampling_params, use_tqdm):
        assert not self.asleep
        self.asked.append(sampling_params)
        return [self._answer(prompt["prompt_token_ids"], sampling_params) for prompt in prompts]

    def _answer(self, prompt, params):
        tokens, logprobs = sample(self.model, self.tokenizer, prompt, params)
        chances = [{token: SimpleNamespace(logprob=p, rank=1)} for token, p in zip(tokens, logprobs, strict=True)]
        return SimpleNamespace(prompt_token_ids=prompt, outputs=[SimpleNamespace(token_ids=tokens, logprobs=chances)])


@torch.no_grad()
def sample(model, tokenizer, prompt, params):
    """One response, token by token, with its processed log-probs."""
    ids, tokens, logprobs = list(prompt), [], []
    while len(tokens) < params.max_tokens:
        logits = model(input_ids=torch.tensor([ids])).logits[0, -1].float() / params.temperature
        if len(tokens) < params.min_tokens:
            logits[params.stop_token_ids] = -torch.inf
        chances, order = logits.softmax(-1).sort(descending=True)
        chances[chances.cumsum(0) - chances >= params.top_p] = 0
        chances /= chances.sum()
        place = int(torch.multinomial(chances, 1))
        tokens.append(int(order[place]))
        logprobs.append(float(chances[place].log()))
        ids.append(tokens[-1])
        text = tokenizer.decode(tokens)
        if tokens[-1] in params.stop_token_ids or any(stop in text for stop in params.stop):
            break
    return tokens, logprobs


class Server(ThreadingHTTPServer):
    """``vllm serve --enable-lora``: adapters by name; ``asked`` has what came."""

    daemon_threads = True

    def __init__(self, model, port=0):
        self.base, self.tokenizer = AutoModelForCausalLM.from_pretrained(model), AutoTokenizer.from_pretrained(model)
        self.policy, self.asked, self.broken = None, [], False
        super().__init__(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return super().__enter__()

    def __exit__(self, *error):
        self.shutdown()
        super().__exit__(*error)

    def answer(self, path, body):
        """A status and a body."""
        self.asked.append((path, body))
        if self.broken:
            return 400, "the engine is dead"
        if path == "/v1/load_lora_adapter":
            if not (Path(body["lora_path"]) / "adapter_model.safetensors").is_file():
                return 404, "no adapter there"
            if self.policy is None:
                self.policy = PeftModel.from_pretrained(self.base, body["lora_path"], adapter_name=body["lora_name"])
            else:
                self.policy.load_adapter(body["lora_path"], adapter_name=body["lora_name"])
            return 200, f"Success: LoRA adapter '{body['lora_name']}' added successfully."
        if path == "/v1/unload_lora_adapter":
            self.policy.delete_adapter(body["lora_name"])
            return 200, "Success"
        if path == "/v1/completions":
            names = {item.name for item in SamplingParams.__dataclass_fields__.values()}
            params = SamplingParams(**{name: body[name] for name in names & set(body)})
            self.policy.set_adapter(body["model"])
            return 200, {"choices": [self._choice(prompt, params) for prompt in body["prompt"]]}
        return 404, "unknown"

    def _choice(self, prompt, params):
        tokens, logprobs = sample(self.policy, self.tokenizer, prompt, params)
        names = [f"token_id:{token}" for token in tokens]
        return {
            "prompt_token_ids": prompt,
            "token_ids": tokens,
            "logprobs": {"tokens": names, "token_logprobs": logprobs, "top_logprobs": [None] * len(tokens)},
        }


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        known = {"/health": {}, "/v1/models": {"data": [{"id": "base"}]}}
        self._send(200 if self.path in known else 404, known.get(self.path, "unknown"))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._send(*self.server.answer(self.path, body))

    def _send(self, status, body):
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass
