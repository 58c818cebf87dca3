"""What all tests share."""

import torch

# the models of the tests are so small that threads only wait for each other
torch.set_num_threads(1)
