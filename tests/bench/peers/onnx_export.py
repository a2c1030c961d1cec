#!/usr/bin/python3
"""A classifier of BERT's family as an ONNX file, for onnx_score.mjs: onnx_export.py -m DIR -o FILE.onnx

From PyTorch's exporter, rows and tokens left open; onnxruntime fuses what it can when it loads the file.
"""
import argparse
import json
import os

import torch

import torch_bert


class Classifier(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids, types, mask):
        return self.model.classify(ids, types, mask)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("-m", "--model", required=True)
    p.add_argument("-o", "--output", required=True)
    args = p.parse_args()
    args.dropout, args.random = None, False
    with open(os.path.join(args.model, "config.json")) as f:
        classes = len(json.load(f).get("id2label", ["", ""]))
    model = Classifier(torch_bert.load(args, classes)[1]).eval()
    ids = torch.randint(0, 100, (2, 16))
    ragged = {0: "rows", 1: "tokens"}
    torch.onnx.export(model, (ids, torch.zeros_like(ids), torch.ones_like(ids)), args.output, opset_version=14,
                      input_names=["ids", "types", "mask"], output_names=["logits"],
                      dynamic_axes={"ids": ragged, "types": ragged, "mask": ragged, "logits": {0: "rows"}})


if __name__ == "__main__":
    main()
