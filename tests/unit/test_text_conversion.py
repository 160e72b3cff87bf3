"""A graph that lower-cases text loads wherever the C library does."""

from __future__ import annotations

from onnx import TensorProto, helper

from seatrial.optimization.flavors.sklearn import LOCALE, use_builtin_locale


def test_lower_casing_needs_no_language_pack_and_keeps_its_other_attributes() -> None:
    import onnxruntime

    text = [helper.make_tensor_value_info(name, TensorProto.STRING, [None]) for name in "xy"]
    node = helper.make_node(
        "StringNormalizer", ["x"], ["y"], case_change_action="LOWER", locale="xx_YY"
    )
    model = helper.make_model(
        helper.make_graph([node], "g", text[:1], text[1:]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    use_builtin_locale(model)
    attributes = {item.name: item.s.decode() for item in model.graph.node[0].attribute}
    assert attributes == {"case_change_action": "LOWER", "locale": LOCALE}
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (lower,) = session.run(None, {"x": ["GROẞE Ärger"]})
    assert lower.tolist() == ["große ärger"]
