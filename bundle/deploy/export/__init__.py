"""A trained network as TorchScript, torch.export and ONNX, each compared with the original; and a runner for ONNX.

Nothing is imported here: `predict_onnx.py` is copied beside the .onnx file and needs neither torch nor this package.
"""
