"""Exports: the same vectors elsewhere, nothing private in them, and no harm from an upload."""

from __future__ import annotations

import ast
import json
import re
import resource
import stat
import sys
import threading
import zipfile
from contextlib import chdir, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from support.models import tiny_backbone, words
from support.runs import random_head, run_info, saved_run, trained
from transformers import PreTrainedTokenizerFast

from embedlab import Backbone, Design, EmbedLabError, StateCache, embed
from embedlab.export.archive import open_archive, package, unpack
from embedlab.export.check import Check
from embedlab.export.export_model import export_adapter
from embedlab.export.hub import push
from embedlab.export.model_card import model_card, plain, public_name
from embedlab.export.obstacles import obstacles
from embedlab.export.sentence_transformers import export_sentence_transformers

TEXTS = (*words(1, 3, 7, 20, 62, 63, 64, 65, 90, 200), "w1 zzz 東京 w3", " w1  w2 ")
TOKEN = "hf_VerySecretToken123"


def tiny_with_its_tokenizer(architecture: str) -> Backbone:
    """transformers reads the tokenizer of every qwen2 as Qwen's own class, so it has to be one."""
    backbone = tiny_backbone(architecture)
    if architecture != "qwen2":
        return backbone
    from transformers import Qwen2Tokenizer

    pieces = [*"0123456789wxyzĠ", "Ġw"]
    vocabulary = {piece: i for i, piece in enumerate(pieces)} | {"<|endoftext|>": 119}
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=[("Ġ", "w")])
    return Backbone(backbone.model, tokenizer, name="tiny-qwen2", max_length=64)


def loaded(folder: Path):
    from sentence_transformers import SentenceTransformer

    own_code = (folder / "export_pooling.py").exists()
    return SentenceTransformer(str(folder), device="cpu", trust_remote_code=own_code)


def same_vectors(model, design: Design, backbone: Backbone) -> None:
    documents = model.encode_document(list(TEXTS), batch_size=3)
    queries = model.encode_query(list(TEXTS), batch_size=5)
    np.testing.assert_allclose(documents, embed(TEXTS, design, backbone), atol=1e-4)
    np.testing.assert_allclose(queries, embed(TEXTS, design, backbone, query=True), atol=1e-4)


# The merged folder


#: Every way a design is exported; on one architecture all of them, on the others the first ones.
EXPORTED = (
    *("causal/eos", "bidirectional/weighted_mean+skip_first", "M5"),
    *("bidirectional/mean", "causal/weighted_mean@2", "causal/mean@1+skip_first", "M2", "M3", "M4"),
    *("causal/latent_attention", "bidirectional/latent_attention"),
)


@pytest.mark.parametrize(
    ("architecture", "name"),
    [
        pytest.param(
            architecture,
            name,
            marks=() if architecture == "llama" or name in EXPORTED[:3] else pytest.mark.slow,
        )
        for architecture in ("llama", "qwen2", "gemma3_text")
        for name in EXPORTED
    ],
)
def test_sentence_transformers_gives_the_same_vectors(architecture, name, tmp_path):
    design = replace(Design.parse(name), query_prompt="w9 ", document_prompt="w5 w6 ")
    backbone = trained(tiny_with_its_tokenizer(architecture))
    if design.trainable:
        random_head(backbone, design)
    folder = tmp_path / "out"
    assert (
        export_sentence_transformers(backbone, design, run_info(backbone, design), folder) == folder
    )
    model = loaded(folder)
    same_vectors(model, design, backbone)
    plain_modules = not (design.trainable or design.skip_first)
    assert (folder / "export_pooling.py").exists() is not plain_modules
    assert model.max_seq_length == backbone.max_length
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["bidirectional/mean", "M5"])
def test_saving_and_loading_again_changes_nothing(name, tmp_path):
    design = Design.parse(name)
    backbone = trained(tiny_backbone())
    export_sentence_transformers(backbone, design, run_info(backbone, design), tmp_path / "one")
    loaded(tmp_path / "one").save(str(tmp_path / "two"))
    same_vectors(loaded(tmp_path / "two"), design, backbone)


def test_a_text_ends_with_eos_once_and_a_cut_one_too(tmp_path):
    backbone = tiny_backbone()
    design = Design.parse("causal/eos")
    export_sentence_transformers(backbone, design, run_info(backbone, design), tmp_path / "out")
    features = loaded(tmp_path / "out").preprocess(list(TEXTS))
    for row, mask, ours in zip(
        features["input_ids"], features["attention_mask"], backbone.encode(TEXTS), strict=True
    ):
        assert row[mask.bool()].tolist() == list(ours.ids)
        assert mask.sort(descending=True).values.equal(mask)  # padded right


@pytest.mark.parametrize("ends", [False, True])
def test_a_tokenizer_that_adds_tokens_itself(ends, tmp_path):
    from tokenizers.processors import TemplateProcessing

    backbone = tiny_backbone()
    backbone.tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="w7 $A </s>" if ends else "w7 $A", special_tokens=[("w7", 7), ("</s>", 119)]
    )
    backbone.tokenizer.chat_template = "{{ 'w3 w3 w3' }}"
    design = Design.parse("bidirectional/mean")
    assert backbone.encode(["w1"])[0].ids == (7, 1, 119)
    export_sentence_transformers(backbone, design, run_info(backbone, design), tmp_path / "out")
    same_vectors(loaded(tmp_path / "out"), design, backbone)
    assert not (tmp_path / "out" / "chat_template.jinja").exists()


@pytest.mark.parametrize("behind", ["w7", "w7 </s>", "w7 w8"])
def test_a_tokenizer_that_ends_texts_with_other_tokens_than_eos(behind, tmp_path):
    from tokenizers.processors import TemplateProcessing

    backbone = tiny_backbone()
    backbone.tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"$A {behind}", special_tokens=[("w7", 7), ("w8", 8), ("</s>", 119)]
    )
    design = Design.parse("causal/eos")
    export_sentence_transformers(backbone, design, run_info(backbone, design), tmp_path / "out")
    same_vectors(loaded(tmp_path / "out"), design, backbone)


def test_a_tokenizer_that_changes_the_text_itself_is_refused_before_anything_is_written(tmp_path):
    class Shouting(PreTrainedTokenizerFast):
        def __call__(self, text, add_special_tokens=True, **options):
            shift = 1 if add_special_tokens else 0
            encoded = super().__call__(text, add_special_tokens=add_special_tokens, **options)
            rows = encoded["input_ids"]
            single = bool(rows) and isinstance(rows[0], int)
            moved = [[(i + shift) % 118 for i in row] for row in ([rows] if single else rows)]
            encoded["input_ids"] = moved[0] if single else moved
            return encoded

    tiny = tiny_backbone()
    tokenizer = Shouting(
        tokenizer_object=tiny.tokenizer.backend_tokenizer, eos_token="</s>", unk_token="<unk>"
    )
    backbone = Backbone(tiny.model, tokenizer, name="shouting", max_length=64)
    assert "changes a text's tokens" in obstacles(backbone, "shouting")["sentence-transformers"]
    design = Design.parse("causal/eos")
    with pytest.raises(EmbedLabError, match="cannot be exported; take the adapter"):
        export_sentence_transformers(backbone, design, run_info(backbone, design), tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_the_untrained_backbone_keeps_its_weights(tmp_path):
    base = tiny_backbone()
    design = Design.parse("causal/eos")
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    backbone = trained(base)
    vectors = embed(TEXTS, design, backbone)
    export_sentence_transformers(backbone, design, run_info(backbone, design), tmp_path / "out")
    assert all(torch.equal(before[name], t) for name, t in base.model.state_dict().items())
    backbone.cache = StateCache(10**8)
    np.testing.assert_array_equal(embed(TEXTS, design, backbone), vectors)
    weights = load_file(tmp_path / "out" / "model.safetensors")
    assert not any("lora" in name for name in weights)
    assert all(tensor.dtype == torch.float32 for tensor in weights.values())


def test_the_exported_configuration(tmp_path):
    backbone = tiny_backbone()
    design = Design.parse("bidirectional/mean?query=w1%20&document=w2%20")
    out = export_sentence_transformers(
        backbone, design, run_info(backbone, design), tmp_path / "out"
    )
    whole = json.loads((out / "config_sentence_transformers.json").read_text())
    assert whole["prompts"] == {"query": "w1 ", "document": "w2 "}
    assert whole["requirements"] == {"transformers": ">=5.2"}
    assert json.loads((out / "config.json").read_text())["is_causal"] is False
    with pytest.raises(EmbedLabError, match="exists already"):
        export_sentence_transformers(backbone, design, run_info(backbone, design), out)


def test_no_path_of_this_machine_is_written(tmp_path):
    backbone = trained(tiny_backbone())
    design = Design.parse("M5")
    home = str(tmp_path / "models" / "tiny")
    backbone.model.config._name_or_path = home
    backbone.tokenizer.name_or_path = home
    backbone.tokenizer.init_kwargs["special_tokens_map_file"] = home + "/x.json"
    data = {"title": "Mine", "source": home + "/pairs.csv"}
    info = run_info(backbone, design, backbone={"id": home}, data=data)
    export_sentence_transformers(backbone, design, info, tmp_path / "merged")
    run = saved_run(tmp_path / "run", backbone, design)
    info = run_info(backbone, design, data=data)
    export_adapter(run, info, tmp_path / "adapter")
    written = [p for kind in ("merged", "adapter") for p in (tmp_path / kind).rglob("*.*")]
    assert len(written) > 12
    for path in written:
        if path.is_file():
            content = path.read_bytes()
            for path_here in (tmp_path, Path.home(), Path(__file__).parents[3], Path(sys.prefix)):
                assert str(path_here).encode() not in content, path.name
    assert "pairs.csv" in (tmp_path / "adapter" / "run.json").read_text()
    assert [public_name(x) for x in ("/a/b", "C:\\x\\y", "org/name", "./me/")] == [
        "b",
        "y",
        "org/name",
        "me",
    ]


def test_a_check_with_numbers_that_are_not_finite_fails():
    assert not Check(float("nan"), 1e-4, 3).ok
    assert not Check(float("inf"), 1e-4, 3).ok
    assert Check(1e-5, 1e-4, 3).ok


# The adapter


def test_an_adapter_has_only_what_is_needed(tmp_path):
    backbone = trained(tiny_backbone())
    design = Design.parse("M4")
    run = saved_run(tmp_path / "run", backbone, design)
    out = export_adapter(run, run_info(backbone, design), tmp_path / "out")
    files = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert files == {
        "README.md",
        "run.json",
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "head.safetensors",
    }
    config = json.loads((out / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "smollm2-135m"
    info = run_info(backbone, design, backbone={"id": "/models/mine"})
    with pytest.raises(EmbedLabError, match="'mine' is a folder on this machine"):
        export_adapter(run, info, tmp_path / "other")
    with pytest.raises(EmbedLabError, match="no trained weights"):
        export_adapter(tmp_path, run_info(backbone, design), tmp_path / "other")


# Archives that people upload

GOOD = {
    "run.json": run_info(tiny_backbone(), Design.parse("causal/eos")).model_dump_json().encode(),
    "adapter/adapter_config.json": b"{}",
    "adapter/adapter_model.safetensors": None,
}


@pytest.fixture
def weights(tmp_path) -> bytes:
    save_file({"lora": torch.ones(2)}, tmp_path / "w")
    return (tmp_path / "w").read_bytes()


def zipped(path: Path, members: dict, weights: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, weights if content is None else content)
    return path


def test_a_good_archive_opens(tmp_path, weights):
    path = zipped(tmp_path / "a.zip", {"adapter/": b"", **GOOD, "README.md": b"#"}, weights)
    folder = open_archive(path, tmp_path / "in")
    assert (folder / "adapter" / "adapter_model.safetensors").read_bytes() == weights
    with pytest.raises(EmbedLabError, match="exists already"):
        open_archive(path, tmp_path / "in")


@pytest.mark.parametrize(
    "name",
    [
        "../escaped.json",
        "adapter/../../escaped.json",
        "/tmp/absolute.json",
        "C:\\windows.json",
        "adapter\\..\\..\\x.json",
        "adapter/adapter_model.bin",
        "head.pkl",
        "optimizer.pt",
        "module.py",
        "run.json/",
        "adapter/more/run.json",
    ],
)
def test_an_unknown_name_is_refused(name, tmp_path, weights):
    path = zipped(tmp_path / "a.zip", {**GOOD, name: b"x"}, weights)
    with pytest.raises(EmbedLabError, match="which no adapter has"):
        open_archive(path, tmp_path / "deep" / "in")
    assert {p.name for p in tmp_path.rglob("*")} <= {"a.zip", "w", "deep"}


def test_a_link_is_refused(tmp_path, weights):
    link = zipfile.ZipInfo("head.safetensors")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = zipped(tmp_path / "a.zip", GOOD, weights)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(EmbedLabError, match="link"):
        open_archive(path, tmp_path / "in")
    assert not (tmp_path / "in").exists()


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({**GOOD, "README.md": b"0" * 10**7}, "'README.md' in it is too large"),
        ({**GOOD, "head.safetensors": b"\x80\x04}q\x00."}, "'head.safetensors' in it is damaged"),
        ({**GOOD, "run.json": b"[" * 10**5}, "'run.json' in it is damaged"),
        ({**GOOD, "run.json": b"{}"}, "'run.json' in it is damaged"),
        ({**GOOD, "adapter/adapter_config.json": b"\xff"}, "'adapter_config.json' in it"),
        (
            {**GOOD, "run.json": GOOD["run.json"].replace(b"smollm2-135m", b"/etc/model")},
            "its backbone is a folder",
        ),
        ({k: v for k, v in GOOD.items() if "config" not in k}, "a part of the adapter"),
        ({"run.json": GOOD["run.json"]}, "a part of the adapter"),
        ({k: v for k, v in GOOD.items() if k != "run.json"}, "lacks run.json"),
        ({}, "lacks run.json"),
    ],
)
def test_a_tampered_archive_is_refused(members, why, tmp_path, weights):
    path = zipped(tmp_path / "a.zip", members, weights)
    with pytest.raises(EmbedLabError, match=why):
        open_archive(path, tmp_path / "in")
    assert {p.name for p in tmp_path.iterdir()} == {"a.zip", "w"}


def test_a_zip_bomb_a_double_name_and_a_file_that_is_no_archive(tmp_path, weights, monkeypatch):
    path = zipped(tmp_path / "a.zip", GOOD, weights)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("run.json", b"{}")
    with pytest.raises(EmbedLabError, match="a name twice"):
        open_archive(path, tmp_path / "in")
    with zipfile.ZipFile(tmp_path / "e.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("run.json", GOOD["run.json"])
    with pytest.raises(EmbedLabError, match="unusual way"):
        open_archive(tmp_path / "e.zip", tmp_path / "in")
    with pytest.raises(EmbedLabError, match="no sound zip archive"):
        open_archive(tmp_path / "missing.zip", tmp_path / "in")
    (tmp_path / "b.zip").write_bytes(b"not a zip")
    with pytest.raises(EmbedLabError, match="no sound zip archive"):
        open_archive(tmp_path / "b.zip", tmp_path / "in")
    cut = zipped(tmp_path / "c.zip", GOOD, weights).read_bytes()
    (tmp_path / "c.zip").write_bytes(cut.replace(b"adapter_config", b"adapter_kaputt", 1))
    with pytest.raises(EmbedLabError, match="no sound zip archive"):
        open_archive(tmp_path / "c.zip", tmp_path / "in")
    monkeypatch.setattr("embedlab.export.archive._MOST_BYTES", 1000)
    members = {**GOOD, "history.jsonl": b"0" * 10**6}
    with pytest.raises(EmbedLabError, match="2 GB"):
        unpack(zipped(tmp_path / "d.zip", members, weights), str(tmp_path / "in"))


def test_a_package_holds_regular_files_only(tmp_path):
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.txt").write_text("a")
    (folder / "link.txt").symlink_to("/etc/passwd")
    path = package(folder, tmp_path / "m.zip")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["sub/a.txt"]


@contextmanager
def full_disk(size: int):
    """No file can grow beyond ``size`` bytes: the system refuses to write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_nothing_behind(tmp_path, weights):
    backbone = trained(tiny_backbone())
    design = Design.parse("causal/eos")
    info = run_info(backbone, design)
    run = saved_run(tmp_path / "run", backbone, design)
    archive = zipped(tmp_path / "a.zip", {**GOOD, "history.jsonl": b"0" * 10**5}, weights)
    before = {path.name for path in tmp_path.iterdir()}
    tries = [
        lambda: export_sentence_transformers(backbone, design, info, tmp_path / "out"),
        lambda: export_adapter(run, info, tmp_path / "out"),
        lambda: package(run, tmp_path / "out.zip"),
        lambda: open_archive(archive, tmp_path / "out"),
    ]
    for attempt in tries:
        with full_disk(4000), pytest.raises(EmbedLabError, match="the disk is full"):
            attempt()
    assert {path.name for path in tmp_path.iterdir()} == before


# The model card


def front_matter(card: str) -> dict:
    return yaml.safe_load(card.split("---\n")[1])


def test_the_card_says_what_it_is_and_its_code_runs(tmp_path, capsys):
    backbone = trained(tiny_backbone())
    design = Design.parse("M5")
    rows = [{"task": "STS", "measure": "Spearman", "n": 600} | SCORES]
    info = run_info(backbone, design, before_after=rows)
    out = export_sentence_transformers(backbone, design, info, tmp_path / "out")
    card = (out / "README.md").read_text()
    facts = front_matter(card)
    assert facts["library_name"] == "sentence-transformers"
    assert facts["pipeline_tag"] == "sentence-similarity"
    assert facts["license"] == "apache-2.0"
    assert "base_model" not in facts  # a pinned backbone's id is no Hub name
    assert "| STS | Spearman | 600 | 26.3 (20.0 to 31.2) | 80.0 (77.7 to 82.5) |" in card
    for part in ("4-bit weights, dequantised", "ab" * 32, "5e-04", "0.0005", "M5", "STS-B test"):
        assert part in card or part == "5e-04"
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)[1]
    assert len([line for line in code.splitlines() if line.strip()]) == 5
    with chdir(out):
        exec(code, {})
    assert "tensor" in capsys.readouterr().out


SCORES = {"before": [0.263, 0.2, 0.312], "after": [0.8, 0.777, 0.825]}


def test_a_hub_backbone_is_named_and_an_unknown_licence_is_not():
    design = Design.parse('causal/eos?query=it\'s "a" \\ ')
    backbone = {"id": "org/model-1B", "source": "Hugging Face Hub"}
    info = run_info(tiny_backbone(), design, backbone=backbone)
    card = model_card(info, "adapter", own_code=False)
    facts = front_matter(card)
    assert facts["base_model"] == "org/model-1B"
    assert facts["library_name"] == "peft"
    assert "license" not in facts
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)[1]
    parsed = re.search(r"Design\.parse\((.*)\)", code)[1]
    assert Design.parse(ast.literal_eval(parsed)) == design


def test_an_undefined_score_is_called_undefined():
    design = Design.parse("causal/eos")
    row = {"task": "STS", "measure": "spearman", "n": 9} | SCORES | {"before": [None, None, None]}
    info = run_info(tiny_backbone(), design, before_after=[row])
    card = model_card(info, "adapter", own_code=False)
    assert "| undefined | 80.0 (77.7 to 82.5) |" in card


def test_names_cannot_break_the_card():
    design = replace(Design.parse("causal/eos"), query_prompt="a | b\n| c `x` ")
    evil = "<script>alert(1)</script> | [x](javascript:y) \n---\n# title `code` **b** \u202e"
    info = run_info(
        tiny_backbone(),
        design,
        name=evil,
        data={"title": evil, "source": evil, "licence": evil, "sha256": evil, "in_domain": [evil]},
        backbone={"id": evil, "source": evil, "note": evil},
        recipe={evil: evil},
        versions={evil: evil},
        before_after=[{"task": evil, "measure": evil, "n": 5} | SCORES],
    )
    card = model_card(info, "sentence-transformers", own_code=True)
    assert "<" not in card.replace("&lt;", "")
    assert "base_model" not in front_matter(card)
    rows = [line for line in card.splitlines() if line.startswith("|")]
    columns = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
    assert columns == {3, 6}
    assert card.count("\n# ") == 1
    assert plain("a\u202eb\nc") == "a b c"
    assert len(plain("x" * 10_000)) == 201


# The Hub


class Hub(BaseHTTPRequestHandler):
    """A Hub that lets ``me/mine`` be made, has ``me/public``, and refuses the token elsewhere."""

    seen: ClassVar[list[tuple[str, str, bytes]]] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append((self.path, self.headers.get("Authorization", ""), body))
        if self.path.endswith("/create"):
            name = json.loads(body)["name"]
            self._answer({"mine": 200, "public": 409}.get(name, 401), name)
        elif self.path.endswith("/preupload/main"):
            mode = {"uploadMode": "regular", "shouldIgnore": False}
            files = [{"path": f["path"]} | mode for f in json.loads(body)["files"]]
            self._answer(200, "mine", files=files)
        else:
            place = f"http://{self.headers['Host']}/me/mine/commit/{'1' * 40}"
            self._answer(200, "mine", commitOid="1" * 40, commitUrl=place)

    def do_GET(self):
        name = self.path.split("/me/")[-1].split("/")[0]
        self._answer(200 if name in ("mine", "public") else 401, name)

    def _answer(self, status: int, name: str, **more) -> None:
        answer = {"error": f"token {TOKEN}", "id": f"me/{name}", "private": name == "mine"}
        answer |= {"name": "me", "url": f"http://{self.headers['Host']}/me/{name}", "sha": "1" * 40}
        body = json.dumps(answer | more).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def hub(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    yield server
    server.shutdown()
    server.server_close()


def refusal(folder: Path, repo: str, token: str, caplog) -> str:
    with caplog.at_level("DEBUG"), pytest.raises(EmbedLabError) as raised:
        push(folder, repo, token)
    error = raised.value
    assert error.__context__ is None
    assert error.__cause__ is None
    assert TOKEN not in str(error) + caplog.text
    return str(error)


def test_what_the_hub_refuses(hub, tmp_path, caplog):
    assert "refused the token" in refusal(tmp_path, "me/model", TOKEN, caplog)
    assert "is public" in refusal(tmp_path, "me/public", TOKEN, caplog)
    assert "not a repository name" in refusal(tmp_path, "a b/c//d", TOKEN, caplog)
    for token in ("", "two words", f"{TOKEN}\n", f"{TOKEN}é"):
        assert "needs a Hub token" in refusal(tmp_path, "me/model", token, caplog)


def test_a_push_is_private_and_whole(hub, tmp_path, caplog):
    (tmp_path / "README.md").write_text("# a model")
    Hub.seen.clear()
    with caplog.at_level("DEBUG"):
        url = push(tmp_path, "me/mine", TOKEN)
    assert url == f"http://127.0.0.1:{hub.server_port}/me/mine"
    path, authorization, body = Hub.seen[0]
    assert path == "/api/repos/create"
    assert authorization == f"Bearer {TOKEN}"
    requested = json.loads(body)
    assert requested.get("private") is True or requested.get("visibility") == "private"
    commit = next(body for path, _, body in Hub.seen if "/commit/" in path)
    assert b"README.md" in commit
    assert TOKEN not in caplog.text


def test_no_hub(tmp_path, caplog):
    assert "not reached" in refusal(tmp_path, "me/model", TOKEN, caplog)


def test_an_unreachable_hub(hub, tmp_path, caplog):
    hub.shutdown()
    hub.server_close()
    assert "not reached" in refusal(tmp_path, "me/model", TOKEN, caplog)
