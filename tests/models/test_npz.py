"""Archives of arrays whose bytes are always the same."""

import hashlib
import io

import numpy as np
import pytest

from rfsn_bridge.models.npz import write_npz


def test_numpy_reads_back_what_was_written() -> None:
    arrays = {
        name: np.arange(24, dtype="<f4").reshape(4, 1, 6) + n for n, name in enumerate(("af_bella", "am_adam"))
    }
    out = io.BytesIO()
    write_npz(out, ((name, array.tobytes()) for name, array in arrays.items()), (4, 1, 6))
    out.seek(0)
    read = np.load(out)
    assert list(read) == ["af_bella", "am_adam"]
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)


def test_bytes_do_not_depend_on_platform_or_time() -> None:
    """The sum is that of numpy.savez with numpy 2.4 on Linux, Python 3.11.7."""
    out = io.BytesIO()
    write_npz(out, [("a", np.arange(6, dtype="<f4").tobytes()), ("b", bytes(24))], (2, 3))
    assert (
        hashlib.sha256(out.getvalue()).hexdigest()
        == "0b2ba341cb48ec702f10f47cb1b799fe7d3233eb553797f5d573e2584dab383a"
    )


def test_array_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="odd has 8 bytes"):
        write_npz(io.BytesIO(), [("odd", bytes(8))], (2, 3))
