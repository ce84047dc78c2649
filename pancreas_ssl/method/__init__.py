"""The method itself, as functions and small modules on tensors; nothing here knows data sets, trainings or pictures.

dual            the step: regions -> corrupt -> forward -> L_seg + r(t) (w_c L_c + w_r L_r); begin here
network         the 3D U-Net: encoder, decoder, head, restoration decoder   (convolutions: what makes it fast)
uncertainty     maps of a model's uncertainty and of the label's surface, combined into U
regions         core, rim_in, rim_out, near, far, outside, cut by U         (structure: distances, medial line)
contrast        the global-feature contrast                                 (sampling, prototypes)
restoration     the local-image restoration                                 (placement, corruptions, control)
segmentation    soft Dice plus cross-entropy
recipe          every number of a training
processes       sums over several processes, so that they compute the loss of one
"""
