"""Push a folder to a repository on the Hugging Face Hub."""

from __future__ import annotations

import re
import tempfile
import zipfile
from pathlib import Path

from embedlab.errors import EmbedLabError


def push_archive(archive: Path, repo_id: str, token: str, private: bool = True) -> str:
    """Push the content of an archive that :mod:`embedlab.export.export_model` made.

    Returns and raises as :func:`push`.
    """
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(folder)
        return push(Path(folder), repo_id, token, private)


def push(folder: Path, repo_id: str, token: str, private: bool = True) -> str:
    """Upload an export to a Hub repository; the token is used for this call and stored nowhere.

    Returns:
        The repository's address.

    Raises:
        EmbedLabError: a bad name, no network, a token without the right to write, or a repository
            that is public while a private one was requested. No message contains the token.
    """
    from huggingface_hub import HfApi

    if not re.fullmatch(r"[!-~]+", token):
        raise EmbedLabError("Uploading needs a Hub token with write access; paste yours.")
    try:
        api = HfApi(token=token)
        url = api.create_repo(repo_id, private=private, exist_ok=True)
        exposed = private and not api.repo_info(url.repo_id).private
        if not exposed:
            api.upload_folder(
                repo_id=url.repo_id, folder_path=folder, commit_message="Upload from EmbedLab"
            )
            return str(url)
        refusal = EmbedLabError(
            f"{repo_id!r} exists and is public; choose another name, or push publicly."
        )
    except Exception as error:
        refusal = _push_refusal(error, repo_id)
    # Raised outside of the handler: the error would carry the request, and with it the token.
    raise refusal


def _push_refusal(error: Exception, repo_id: str) -> EmbedLabError:
    from huggingface_hub.errors import HFValidationError

    name = repr(repo_id[:100])
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, HFValidationError):
        reason = (
            f"{name} is not a repository name; write your-name/model-name with letters, digits, "
            "'-', '_' and '.'."
        )
    elif status in (401, 403):
        reason = f"The Hub refused the token for {name}; it needs write access to that account."
    elif status is not None:
        reason = f"The Hub answered {status} for {name}; check the name, or try again later."
    elif isinstance(error, OSError) or type(error).__module__.startswith("http"):
        reason = (
            f"{name} was not uploaded: the Hub was not reached. Check the network, or download the "
            "archive instead."
        )
    else:
        reason = f"{name} was not uploaded ({type(error).__name__}); download the archive instead."
    return EmbedLabError(reason)
