from pathlib import Path

import pytest
from resumed import fit


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a short training without a callback."""
    run = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PL_GLOBAL_SEED", "0")  # the training sets it, and it is to be what it was
        fit("synthetic_unet", run)
    return run
