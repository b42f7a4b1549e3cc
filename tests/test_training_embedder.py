"""The embedder's data, losses and training, on small made-up faces."""

from __future__ import annotations

import csv
import shutil
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgecnn.data import aligned, lfw
from edgecnn.data.augment_faces import augment_face
from edgecnn.errors import DataError
from edgecnn.images import Preprocess, to_network
from edgecnn.training.run import Run

SMALL = {
    "size": 32,
    "epochs": 2,
    "stage_epochs": 1,
    "stage_faces": 64,
    "epoch_faces": 64,
    "batch_size": 16,
    "network": {"stem": 8, "first_expansion": 8, "stages": [[8, 16, 1], [8, 16, 1]],
                "head": 16, "dimension": 8},
}  # fmt: skip
"""Settings of a network that trains in seconds."""


def face(person: int, rng: np.random.Generator) -> np.ndarray:
    """A person is a pattern of 4×4 colours; each picture has its own noise."""
    pattern = np.random.default_rng(person).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    picture = cv2.resize(pattern, (32, 32), interpolation=cv2.INTER_LINEAR)
    return np.clip(picture + rng.normal(0, 10, picture.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 made-up people with four pictures each, a folder for each."""
    folder, rng = tmp_path_factory.mktemp("people"), np.random.default_rng(0)
    for person in range(120):
        (folder / f"p{person:03}").mkdir()
        for k in range(4):
            cv2.imwrite(str(folder / f"p{person:03}/{k}.png"), face(person, rng))
    return folder


def test_index_of_folders(people: Path) -> None:
    index = aligned.index(people)
    assert len(index) == 480
    assert index["p007/2.png"] == "p007"


def test_index_csv_with_zip(tmp_path: Path) -> None:
    png = cv2.imencode(".png", face(1, np.random.default_rng(0)))[1].tobytes()
    with zipfile.ZipFile(tmp_path / "aaf.zip", "w") as z:
        z.writestr("aaf/0.png", png)
    with zipfile.ZipFile(tmp_path / "wild.zip", "w") as z:
        for k in range(3):
            z.writestr(f"wild/{k}.png", png)
    with open(tmp_path / "index.csv", "w", newline="") as f:
        csv.writer(f).writerows(
            [("file", "person"), ("aaf/0.png", ""), ("wild/0.png", "7"), ("wild/1.png", "7"),
             ("wild/2.png", "")]
        )  # fmt: skip
    faces = aligned.load(tmp_path, aligned.index(tmp_path), Preprocess((32, 32)))
    assert faces.pixels.shape == (4, 32, 32, 3)
    # AAF shows another person in every picture; elsewhere no identity is no identity.
    assert faces.persons.tolist() == [1, 0, 0, -1]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (None, "expected aligned faces"),
        (b"file,name\n", "columns file and person"),
        (b"file,person\n", "a line for each face"),
        (b"file,person\na/1.png,Jos\xe9\n", "save it as CSV in UTF-8"),
    ],
)
def test_no_faces(tmp_path: Path, index: bytes | None, message: str) -> None:
    if index is not None:
        (tmp_path / "index.csv").write_bytes(index)
    with pytest.raises(DataError, match=message):
        aligned.index(tmp_path)


def test_an_index_that_excel_saved(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_bytes(b"\xef\xbb\xbffile,person,age\r\na/1.png,Ann,30\r\n")
    assert aligned.index(tmp_path) == {"a/1.png": "Ann"}
    assert aligned.labels(tmp_path) == {"a/1.png": (30, "")}


def test_a_zip_that_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 and no more")
    for read in (aligned.reader, lfw.Faces):
        with pytest.raises(DataError, match=r"a\.zip is not a readable zip file"):
            read(tmp_path)


def test_a_file_of_the_index_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("person,file\n1\n")
    with pytest.raises(DataError, match=r"is labelled, but cannot be read in"):
        aligned.load(tmp_path, aligned.index(tmp_path), Preprocess((32, 32)))
    (tmp_path / "index.csv").write_text("file,person\na/b.png,1\n")
    with pytest.raises(DataError, match=r"is labelled, but cannot be read in"):
        aligned.load(tmp_path, aligned.index(tmp_path), Preprocess((32, 32)))


def test_parts_are_stable_and_of_their_size() -> None:
    names = [str(i) for i in range(4000)]
    parts = [aligned.part_of(n, 0, (0.1, 0.2)) for n in names]
    assert parts == [aligned.part_of(n, 0, (0.1, 0.2)) for n in names]
    assert parts != [aligned.part_of(n, 1, (0.1, 0.2)) for n in names]
    assert 300 < parts.count("validation") < 500
    assert 700 < parts.count("test") < 900


def test_augmentation_is_seeded_and_keeps_the_shape() -> None:
    picture = face(5, np.random.default_rng(0))
    before = picture.copy()
    made = [augment_face(picture, np.random.default_rng(k)) for k in range(40)]
    again = [augment_face(picture, np.random.default_rng(k)) for k in range(40)]
    assert all(m.shape == (32, 32, 3) and m.dtype == np.uint8 for m in made)
    assert all((a == b).all() for a, b in zip(made, again, strict=True))
    assert (picture == before).all()
    assert sum((m != before).any() for m in made) > 20


def test_losses_against_numpy() -> None:
    from edgecnn.training.losses import angular_margin, cosine_distance, relative_error

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5, 8)).astype(np.float32)
    cosine = np.sum(a * b, 1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert np.asarray(cosine_distance(a, b)) == pytest.approx(1 - cosine, abs=1e-5)

    target, output = rng.normal(size=(2, 6, 2, 2, 3)).astype(np.float32)
    variance = target.reshape(-1, 3).var(0)
    expected = (((target - output) ** 2) / variance).mean((1, 2, 3))
    assert np.asarray(relative_error(target)(target, output)) == pytest.approx(expected, rel=1e-3)

    cosines = np.array([[0.6, 0.1, -0.2], [0.0, 0.3, 0.9]], np.float32)
    labels, margin, scale = np.array([0, 1]), 0.35, 32.0
    logits = scale * cosines.astype(np.float64)
    for i, k in enumerate(labels):
        logits[i, k] = scale * np.cos(np.arccos(cosines[i, k]) + margin)
    expected = np.log(np.exp(logits).sum(1)) - logits[[0, 1], labels]
    found = np.asarray(angular_margin(margin, scale)(labels.astype(np.float32), cosines))
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


def teacher_file(path: Path, faces: int | str = "n") -> Path:
    """A small ONNX embedder for 32×32 faces, so many at a time, with stages of the student's
    shapes."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    nodes, weights, x, channels = [], [], "data", 3
    for k, out in enumerate((8, 8, 8, 8)):
        w = numpy_helper.from_array(
            (rng.normal(size=(out, channels, 3, 3)) / (9 * channels) ** 0.5).astype(np.float32)
            / (255 if k == 0 else 1),
            f"w{k}",
        )
        weights.append(w)
        stride = 1 if k == 3 else 2
        nodes.append(helper.make_node("Conv", [x, f"w{k}"], [f"c{k}"], strides=[stride] * 2,
                                      pads=[1] * 4, kernel_shape=[3, 3]))  # fmt: skip
        nodes.append(helper.make_node("Relu", [f"c{k}"], [f"r{k}"]))
        nodes.append(helper.make_node("Add", [f"r{k}", f"c{k}"], [f"s{k}"]))
        x, channels = f"s{k}", out
    nodes.append(helper.make_node("Flatten", [x], ["embedding"]))
    graph = helper.make_graph(
        nodes, "teacher",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [faces, 3, 32, 32])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [faces, 128])],
        weights,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)
    return path


def test_teacher_finds_its_stages(tmp_path: Path) -> None:
    from edgecnn.training.teacher import Teacher

    path = teacher_file(tmp_path / "teacher.onnx")
    teacher = Teacher(path, [(8, 8, 8), (4, 4, 8)], threads=1)
    assert (teacher.has_stages, teacher.dimension) == (True, 128)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    embeddings, stages = teacher(pixels, stages=True)
    assert [s.shape for s in stages] == [(5, 8, 8, 8), (5, 4, 4, 8)]
    # The last residual sum of that shape is the stage's end: here what the embedding flattens.
    flat = stages[1].transpose(0, 3, 1, 2).reshape(5, -1)
    assert embeddings == pytest.approx(flat / np.linalg.norm(flat, axis=1, keepdims=True), abs=1e-5)
    assert not Teacher(path, [(8, 8, 9)], threads=1).has_stages


def test_teacher_of_one_face_at_a_time(tmp_path: Path) -> None:
    from edgecnn.errors import ModelError
    from edgecnn.training.teacher import Teacher

    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    shapes = [(8, 8, 8), (4, 4, 8)]
    many, stages = Teacher(teacher_file(tmp_path / "n.onnx"), shapes, 1)(pixels, stages=True)
    single = Teacher(teacher_file(tmp_path / "1.onnx", 1), shapes, threads=1)
    one, same = single(pixels, stages=True)
    assert one == pytest.approx(many, abs=1e-5)
    assert all(a == pytest.approx(b, abs=1e-4) for a, b in zip(same, stages, strict=True))
    with pytest.raises(
        ModelError, match=r"N open or 1\. .*4\.onnx has inputs \[\[4, 3, 32, 32\]\]"
    ):
        Teacher(teacher_file(tmp_path / "4.onnx", 4), [], threads=1)


def test_a_narrower_student_is_taught_principal_components(tmp_path: Path) -> None:
    from edgecnn.training.teacher import Teacher

    file = teacher_file(tmp_path / "teacher.onnx")
    whole, narrow = (Teacher(file, [(8, 8, c), (4, 4, 8)], threads=1) for c in (8, 3))
    assert whole.has_stages and narrow.has_stages
    pixels = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3)).astype(np.uint8)
    for teacher in (whole, narrow):
        teacher.narrow(pixels)
    embeddings, (wide, same) = whole(pixels, stages=True)
    also, (few, untouched) = narrow(pixels, stages=True)
    assert few.shape == (40, 8, 8, 3)
    assert np.array_equal(also, embeddings) and np.array_equal(untouched, same)
    # The best that three channels can hold, by the singular values; one less holds less.
    singular = np.linalg.svd(wide.reshape(-1, 8), compute_uv=False)
    lengths = np.linalg.norm(few.reshape(-1, 3), axis=0)
    assert lengths == pytest.approx(singular[:3], rel=1e-3)
    apart = few.reshape(-1, 3) / lengths
    assert apart.T @ apart == pytest.approx(np.eye(3), abs=1e-3)


def test_teacher_of_another_size_is_shown_the_faces_as_they_are(
    people: Path, tmp_path: Path
) -> None:
    from edgecnn.training.teacher import Teacher, kept_answers

    file = teacher_file(tmp_path / "teacher.onnx")
    teacher = Teacher(file, [(8, 8, 8), (4, 4, 8)], threads=1, size_wh=(16, 16))
    assert (teacher.size_wh, teacher.has_stages) == ((32, 32), False)
    files = {f: "" for f in list(aligned.index(people))[:20]}
    small, large = (aligned.load(people, files, Preprocess((n, n))) for n in (16, 32))
    assert np.array_equal(teacher.faces(people, small), large.pixels)
    assert teacher.faces(people, large) is large.pixels
    said = kept_answers(tmp_path / "kept.npy", file, people, small, None)
    expected = teacher(large.pixels)[0] + teacher(large.pixels[:, :, ::-1])[0]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert said == pytest.approx(expected, abs=1e-5)
    assert np.array_equal(np.load(tmp_path / "kept.npy"), said)


def test_what_is_refused_leaves_no_run(people: Path, tmp_path: Path) -> None:
    from edgecnn.errors import ModelError

    file = teacher_file(tmp_path / "teacher.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    with pytest.raises(DataError, match=r"whose embeddings have 8 numbers.* have 128"):
        trained(people, tmp_path / "run", teacher=str(file))
    with pytest.raises(ModelError, match="not an ONNX network"):
        trained(people, tmp_path / "run", teacher=str(tmp_path / "broken.onnx"))
    with pytest.raises(DataError, match="steps of 16"):
        trained(people, tmp_path / "run", size=40)
    assert not (tmp_path / "run").exists()


def test_the_small_network(tmp_path: Path) -> None:
    """Half as wide, and of about a quarter of the parameters, which is what 400,000 bytes take."""
    from converters import int8
    from edgecnn.networks import build
    from edgecnn.networks.embedder import NANO

    full, small = build("embedder"), build("embedder", size_wh=(96, 96), **NANO)
    assert small.output.shape == full.output.shape == (None, 128)
    assert small.count_params() < 250_000 < full.count_params() / 3
    rng = np.random.default_rng(0)
    network = build("embedder", **NANO)
    for weight in network.weights:
        if len(weight.shape) == 1:  # zeros would be kept once for all layers
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    network.save(tmp_path / "network.keras")
    np.save(tmp_path / "some.npy", rng.integers(0, 256, (4, 112, 112, 3)).astype(np.uint8))
    files = [tmp_path / name for name in ("network.keras", "some.npy", "int8.tflite", "f.tflite")]
    int8.convert(*files)
    assert files[2].stat().st_size < 399_000  # and the metadata
    halves = [small.get_layer(f"stage{i}").output.shape[-1] * 2 for i in (1, 2, 3)]
    assert halves == [full.get_layer(f"stage{i}").output.shape[-1] for i in (1, 2, 3)]


def test_teacher_that_is_no_network(tmp_path: Path) -> None:
    from edgecnn.errors import ModelError
    from edgecnn.training.teacher import Teacher

    (tmp_path / "t.onnx").write_bytes(b"not a network")
    with pytest.raises(ModelError, match="not an ONNX network"):
        Teacher(tmp_path / "t.onnx", [], threads=1)
    with pytest.raises(ModelError, match="not an ONNX network"):
        Teacher(tmp_path / "missing.onnx", [], threads=1)


def test_a_run_does_not_go_on_with_other_faces(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The teacher's answers are kept by place, so that each would be another face's."""
    from edgecnn.training import embedder

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    faces = tmp_path / "faces"
    shutil.copytree(people, faces)
    monkeypatch.setattr(embedder, "build", interrupted)
    for resume in (False, True):
        with pytest.raises(KeyboardInterrupt):
            embedder.train(faces, tmp_path / "run", SMALL, resume=resume)
    shutil.copy(faces / "p000" / "0.png", faces / "p000" / "9.png")
    with pytest.raises(DataError, match="not those it began with"):
        embedder.train(faces, tmp_path / "run", SMALL, resume=True)


def trained(people: Path, out: Path, progress: Any = None, **settings: Any) -> Any:
    from edgecnn.training import embedder

    resume = out.exists()
    return embedder.train(people, out, {**SMALL, **settings}, resume=resume, progress=progress)


@pytest.mark.slow
def test_distillation_goes_on_after_an_interruption(people: Path, tmp_path: Path) -> None:
    settings = {"teacher": str(teacher_file(tmp_path / "teacher.onnx")),
                "network": {**SMALL["network"], "dimension": 128}}  # fmt: skip

    class Stop(Exception):
        pass

    def stop(stage: str, done: int, total: int, figures: dict[str, float]) -> None:
        if stage.startswith("whole 2/"):
            raise Stop

    with pytest.raises(Stop):
        trained(people, tmp_path / "run", stop, **settings)
    run = trained(people, tmp_path / "run", **settings)
    other = trained(people, tmp_path / "other", **settings)
    assert [(r["stage"], r["epoch"]) for r in run.history] == [
        ("stages", "1"), ("whole", "1"), ("whole", "2"),
    ]  # fmt: skip
    for mine, theirs in zip(run.history, other.history, strict=True):
        assert float(mine["loss"]) == pytest.approx(float(theirs["loss"]), rel=0.02)
    assert (run.path / "report.html").exists()
    assert not (run.path / "checkpoint.npz").exists()


@pytest.mark.slow
def test_a_small_network_learns_from_a_teacher_of_larger_faces(
    people: Path, tmp_path: Path
) -> None:
    """The nearer its embeddings come to the teacher's of the faces at their own size, the better;
    a network that learnt nothing is at 0."""
    from edgecnn.training import embedder

    file = str(teacher_file(tmp_path / "teacher.onnx"))
    settings = {"teacher": file, "size": 16, "nano": True, "epochs": 8, "epoch_faces": 400,
                "learning_rate": 1e-2, "margin_weight": 0.0, "network": {"head": 32}}  # fmt: skip
    run = trained(people, tmp_path / "run", **settings)
    assert run.load_model().get_layer("stem_conv").filters == 16
    assert run.load_model().get_layer("head_conv").filters == 32  # what was asked for comes first
    assert float(run.history[-1]["val_cosine"]) > 0.5
    assert {r["stage"] for r in run.history} == {"whole"}
    assert not (run.path / embedder.TARGETS).exists()


@pytest.mark.slow
def test_a_narrower_student_learns_stage_by_stage(people: Path, tmp_path: Path) -> None:
    network = {**SMALL["network"], "stages": [[5, 16, 1], [6, 16, 1]], "dimension": 128}
    settings = {"teacher": str(teacher_file(tmp_path / "teacher.onnx")), "network": network,
                "stage_epochs": 8, "stage_faces": 400}  # fmt: skip
    run = trained(people, tmp_path / "run", **settings)
    stages = [float(row["loss"]) for row in run.history if row["stage"] == "stages"]
    # Two errors as shares of the variance, and a distance: the means alone are at 3.
    assert len(stages) == 8 and stages[-1] < 2.5


@pytest.mark.slow
def test_hints_bring_the_stages_nearer_to_the_teachers(people: Path, tmp_path: Path) -> None:
    import keras

    from edgecnn.training import embedder
    from edgecnn.training.teacher import Teacher

    file = teacher_file(tmp_path / "teacher.onnx")
    teacher = Teacher(file, [(8, 8, 8), (4, 4, 8)], threads=1)
    settings = {"teacher": str(file), "stage_epochs": 0, "epochs": 6, "epoch_faces": 400,
                "learning_rate": 1e-2, "hint_faces": 8,
                "network": {**SMALL["network"], "dimension": 128}}  # fmt: skip
    errors = []
    for weight in (0.0, 1.0):
        run = trained(people, tmp_path / f"run{weight}", hint_weight=weight, **settings)
        student = run.load_model()
        ends = keras.Model(student.input, [student.get_layer(f"stage{i}").output for i in (1, 2)])
        pixels, _ = embedder.samples(run, "test", 32, seed=0)
        _, features = teacher(pixels, stages=True)
        said = ends.predict(to_network(pixels), verbose=0)
        errors.append([float(((a - b) ** 2).mean()) for a, b in zip(said, features, strict=True)])
    without, hinted = np.array(errors)
    assert (hinted < 0.8 * without).all()


def test_only_some_faces_of_a_batch_are_hinted_at(tmp_path: Path) -> None:
    from edgecnn.training.teacher import Teacher

    teacher = Teacher(teacher_file(tmp_path / "t.onnx"), [(8, 8, 8), (4, 4, 8)], threads=1)
    pixels = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3)).astype(np.uint8)
    features, count = teacher.hints(pixels, 2)
    assert [x.shape for x in features] == [(6, 8, 8, 8), (6, 4, 4, 8)]
    assert np.array_equal(count, [3, 3, 0, 0, 0, 0])
    _, some = teacher(pixels[:2], stages=True)
    assert all(np.array_equal(x[:2], y) for x, y in zip(features, some, strict=True))
    _, whole = teacher.hints(pixels, 16)
    assert np.array_equal(whole, np.ones(6))


@pytest.mark.slow
def test_identities_alone_teach_people_apart(people: Path, tmp_path: Path) -> None:
    from edgecnn.training import embedder

    run = trained(people, tmp_path / "run", epochs=6, epoch_faces=400, learning_rate=5e-3)
    split = run.split
    assert not {f.split("/")[0] for f in split["train"]} & {f.split("/")[0] for f in split["test"]}
    # Patterns that were never seen are told apart far better than by chance (0.5).
    assert run.metrics["accuracy"] > 0.8
    pixels, persons = embedder.samples(run, "train", 32, seed=0)
    assert (pixels.shape, pixels.dtype, len(persons)) == ((32, 32, 32, 3), np.uint8, 32)


@pytest.fixture
def untrained(people: Path, tmp_path: Path) -> Run:
    """A run of nobody's network: what calibration and verification ask of it does not depend on
    one."""
    run = Run.start(tmp_path / "run", "embedder", {"data": str(people), "seed": 0})
    run.note(input=Preprocess((32, 32)).to_dict())
    run.write_split({k: list(v) for k, v in aligned.split(aligned.index(people), 0).items()})
    return run


def test_samples_take_turns_among_people(untrained: Run) -> None:
    from edgecnn.training import embedder

    files = untrained.split["train"]
    few = [f for f in files if f.endswith("/0.png")][:20]
    many = [f for f in files if f.startswith(few[0][:4])]
    untrained.write_split({"train": few[1:] + many, "validation": [], "test": []})
    pixels, persons = embedder.samples(untrained, "train", 20, seed=1)
    assert len(set(persons.tolist())) == 20  # although one has four faces of 23
    photos = list(embedder.originals(untrained, "train", 20, seed=1))
    preprocess = Preprocess.from_dict(untrained.facts["input"])
    assert np.array_equal(pixels, np.stack([preprocess(p) for p in photos]))
    assert not np.array_equal(pixels, embedder.samples(untrained, "train", 20, seed=2)[0])


def test_answers_are_pairs_and_do_not_depend_on_the_network(untrained: Run) -> None:
    from edgecnn.training import embedder

    def by_colour(pixels: np.ndarray) -> list[np.ndarray]:
        small = pixels[:, ::8, ::8].reshape(len(pixels), -1).astype(np.float32)
        return [small - small.mean(axis=1, keepdims=True)]

    def blind(pixels: np.ndarray) -> list[np.ndarray]:
        return [np.ones((len(pixels), 4), np.float32)]

    good, bad = (embedder.answers(untrained, p) for p in (by_colour, blind))
    assert good.names == bad.names and good.groups == bad.groups and len(good) == 6000
    assert good.figures == embedder.score(untrained, by_colour)
    assert good.figures["accuracy"] > 0.95 > 0.6 > bad.figures["accuracy"]
    assert np.mean(good.faults == 0) >= good.figures["accuracy"] - 0.01
    for name, group in zip(good.names, good.groups, strict=True):
        assert tuple(dict.fromkeys(f.split("/")[0] for f in name.split(", "))) == group
    assert good.sensitive and good.sureness is None and len(set(bad.said)) == 1
    assert good.vectors is not None
    assert np.linalg.norm(good.vectors.values, axis=1) == pytest.approx(1)
    assert list(good.vectors.names) == untrained.split["test"]


def test_neither_teacher_nor_identities(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(60):
        (tmp_path / f"data/p{k}").mkdir(parents=True)
        cv2.imwrite(str(tmp_path / f"data/p{k}/0.png"), face(k, rng))
    with pytest.raises(DataError, match="expected a --teacher"):
        trained(tmp_path / "data", tmp_path / "run")
