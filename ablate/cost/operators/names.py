"""The operators by what they do, as lists of names: the data behind `ablate.cost.operators.classes`.

An operator whose name ends in an underscore (in place) or in `_copy` (a view that is copied) need not be
listed: it is its functional form, or a move.
"""

from __future__ import annotations

FREE = """as_strided_ alias detach detach_ _unsafe_view _reshape_alias lift lift_fresh empty empty_like
empty_strided new_empty new_empty_strided resize_ set_ set is_same_size _has_same_storage_numel sym_size
sym_stride sym_numel sym_storage_offset sym_is_contiguous size stride numel dim storage_offset is_contiguous
record_stream _local_scalar_dense item is_nonzero _assert_async _assert_tensor_metadata _version
_assert_scalar _functional_assert_async _functional_assert_scalar _functional_sym_constrain_range
_functional_sym_constrain_range_for_size sym_constrain_range sym_constrain_range_for_size _make_dep_token
_nnz _dimI _dimV dense_dim sparse_dim is_coalesced is_pinned is_set_to _coalesced _coalesced_ qscheme q_scale
q_zero_point q_per_channel_axis q_per_channel_scales q_per_channel_zero_points _fused_sdp_choice resize
resize_as resize_as_ resize_as_sparse resize_as_sparse_ _resize_output _resize_output_ sparse_resize
sparse_resize_ sparse_resize_and_clear sparse_resize_and_clear_ shallow_copy_data_ _efficientzerotensor
empty_permuted _empty_affine_quantized _empty_per_channel_affine_quantized empty_quantized from_file
_lazy_clone _print _use_cudnn_ctc_loss _use_miopen_ctc_loss _cudnn_init_dropout_state
_validate_compressed_sparse_indices _linalg_check_errors _sparse_compressed_tensor_with_dims
_sparse_coo_tensor_with_dims _sparse_coo_tensor_with_dims_and_tensors sparse_coo_tensor
sparse_compressed_tensor _nested_tensor_size _nested_tensor_strides _nested_tensor_storage_offsets
_nested_get_offsets _nested_get_lengths _nested_get_ragged_idx _nested_get_min_seqlen _nested_get_max_seqlen
_nested_get_jagged_dummy _nested_compute_contiguous_strides_offsets _cuda_version _make_token _sink_tokens
_jagged_dummy is_complex is_floating_point is_signed is_inference is_conj is_neg get_device result_type
can_cast promote_types numpy_T requires_grad_ retain_grad retains_grad rename rename_ align_to
_foobar collapse reshape as_strided broadcast_in_dim split_dim squeeze transpose"""

MOVE = """clone copy_ copy _to_copy contiguous cat stack index index_select gather roll flip rot90
constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d
replication_pad3d _pad_circular pixel_shuffle pixel_unshuffle channel_shuffle im2col repeat
repeat_interleave tile embedding take select_backward slice_backward diagonal_backward as_strided_scatter
select_scatter slice_scatter diagonal_scatter unfold_copy tril triu zeros zeros_like ones ones_like full
full_like new_zeros new_ones new_full arange range linspace logspace eye scalar_tensor fill fill_ zero_ zero
bernoulli bernoulli_ rand rand_like randn randn_like randint randint_like randperm normal normal_
normal_functional uniform uniform_ random random_ exponential exponential_ binomial cauchy geometric
log_normal poisson multinomial _standard_gamma _sample_dirichlet _philox_key_fold_in _philox_key_split
_philox_normal _philox_uniform index_put index_put_ _index_put_impl_ _index_put_impl scatter scatter_
index_copy index_fill masked_scatter masked_scatter_backward masked_select nonzero nonzero_static meshgrid
_unsafe_index _unsafe_index_put _unsafe_masked_index put split_with_sizes_copy split_copy unsafe_split
unsafe_split_with_sizes _stack _chunk_cat _foreach_copy_ _foreach_zero_ triu_indices tril_indices complex
_nested_tensor_from_mask _nested_tensor_from_mask_left_aligned _nested_tensor_from_tensor_list
_nested_from_padded _nested_from_padded_and_nested_example _nested_from_padded_tensor _nested_select_backward
_nested_sum_backward _jagged_to_padded_dense_forward _padded_dense_to_jagged_forward to_padded_tensor
_pack_padded_sequence _copy_from _copy_from_and_resize _pin_memory block_diag diag_embed int_repr _to_dense
_to_sparse _to_sparse_bsc _to_sparse_bsr _to_sparse_csc _to_sparse_csr to_mkldnn _to_sparse_semi_structured
_mkldnn_reshape _mkldnn_transpose mkldnn_reorder_conv2d_weight mkldnn_reorder_conv3d_weight
copy_sparse_to_sparse _convert_indices_from_coo_to_csr _convert_indices_from_csr_to_coo
_convert_weight_to_int4pack _convert_weight_to_int4pack_for_cpu _dyn_quant_pack_4bit_weight
_cudnn_rnn_flatten_weight sparse_mask _sparse_mask_projection _sparse_sum_backward _spdiags lu_unpack
_fill_mem_eff_dropout_mask_ _sparse_semi_structured_tile _sparse_semi_structured_apply
_sparse_semi_structured_apply_dense _cslt_compress _new_zeros_with_same_feature_meta max_unpool2d max_unpool3d
bartlett_window blackman_window hamming_window hann_window kaiser_window fft_fftfreq fft_rfftfreq
device_put copy_to copy_strided iota rev convert_element_type"""

POINTWISE = """hardswish hardsigmoid hardtanh silu mish elu celu selu leaky_relu relu relu6 softplus
threshold _fused_adamw_ _fused_adam_ _fused_sgd_ _fused_adagrad_ _fused_adamw _fused_adam _fused_sgd
_fused_adagrad native_dropout native_dropout_backward _thnn_fused_lstm_cell _thnn_fused_gru_cell
_thnn_fused_lstm_cell_backward_impl _thnn_fused_gru_cell_backward glu glu_backward glu_jvp glu_backward_jvp
_prelu_kernel _prelu_kernel_backward _fused_dropout _masked_scale rrelu_with_noise rrelu_with_noise_backward
rrelu_with_noise_functional masked_fill masked_fill_ where clamp lerp addcmul addcdiv sigmoid_backward
tanh_backward gelu gelu_backward silu_backward threshold_backward hardtanh_backward hardsigmoid_backward
hardswish_backward hardshrink hardshrink_backward softshrink softshrink_backward elu_backward
leaky_relu_backward softplus_backward logit_backward mish_backward log_sigmoid_forward log_sigmoid_backward
soft_margin_loss_backward huber_loss_backward _weight_norm_interface _weight_norm_interface_backward
_fake_quantize_per_tensor_affine _fake_quantize_learnable_per_channel_affine
_fake_quantize_learnable_per_channel_affine_backward _fake_quantize_learnable_per_tensor_affine
_fake_quantize_learnable_per_tensor_affine_backward _fake_quantize_per_tensor_affine_cachemask_tensor_qparams
fake_quantize_per_channel_affine_cachemask fake_quantize_per_tensor_affine_cachemask
_fused_moving_avg_obs_fq_helper _fused_moving_avg_obs_fq_helper_functional quantize_per_channel
quantize_per_tensor quantize_per_tensor_dynamic dequantize _make_per_channel_quantized_tensor
_make_per_tensor_quantized_tensor __and__ __or__ __xor__ __lshift__ __rshift__ __iand__ __ior__ __ixor__
__ilshift__ __irshift__ _add_relu _amp_foreach_non_finite_check_and_unscale
_amp_foreach_non_finite_check_and_unscale_ _amp_update_scale _amp_update_scale_ _conj_physical
floor_divide polar rsub linalg_cross _dirichlet_grad _standard_gamma_grad batch_norm_elemt
batch_norm_backward_elemt _transform_bias_rescale_qkv isin"""

REDUCTION = """sum mean amax amin max min argmax argmin aminmax _aminmax all any _is_all_true _is_any_true
prod var var_mean std std_mean norm native_norm linalg_vector_norm logsumexp nansum cumsum cumprod
logcumsumexp cummax cummin _logcumsumexp _cummax_helper _cummin_helper sort argsort topk kthvalue median
nanmedian mode unique _unique _unique2 unique_dim unique_consecutive unique_dim_consecutive dist renorm
nll_loss_forward nll_loss_backward nll_loss2d_forward nll_loss2d_backward mse_loss mse_loss_backward
smooth_l1_loss smooth_l1_loss_backward huber_loss binary_cross_entropy binary_cross_entropy_backward
binary_cross_entropy_with_logits kl_div soft_margin_loss multi_margin_loss multi_margin_loss_backward
multilabel_margin_loss_forward multilabel_margin_loss_backward _ctc_loss _ctc_loss_backward _cudnn_ctc_loss
miopen_ctc_loss embedding_dense_backward embedding_renorm _embedding_bag _embedding_bag_forward_only
_embedding_bag_backward _embedding_bag_dense_backward _embedding_bag_per_sample_weights_backward scatter_add
scatter_add_ scatter_reduce index_add index_add_ index_reduce segment_reduce _segment_reduce_backward
_unsafe_masked_index_put_accumulate unfold_backward col2im reflection_pad1d_backward
reflection_pad2d_backward reflection_pad3d_backward replication_pad1d_backward replication_pad2d_backward
replication_pad3d_backward count_nonzero bincount trace equal allclose _foreach_norm histc histogram
_histogramdd_bin_edges _histogramdd_from_bin_cts _histogramdd_from_bin_tensors searchsorted bucketize
repeat_interleave_backward hash_tensor batch_norm_stats batch_norm_update_stats batch_norm_gather_stats
batch_norm_gather_stats_with_counts batch_norm_backward_reduce _coalesce _sparse_sum _sparse_csr_sum
_sparse_csr_prod xor_sum"""

_LAPACK = (
    "a factorisation or solver of LAPACK's kind, which iterates or blocks as its library and the values say"
)
HIDDEN: dict[str, str] = {
    **dict.fromkeys(
        [
            "_cholesky_solve_helper",
            "_linalg_det",
            "_linalg_eigh",
            "_linalg_eigvals",
            "_linalg_slogdet",
            "_linalg_solve_ex",
            "_linalg_svd",
            "_spsolve",
            "cholesky_inverse",
            "cholesky_solve",
            "geqrf",
            "linalg_cholesky_ex",
            "linalg_eig",
            "linalg_eigvals",
            "linalg_householder_product",
            "linalg_inv_ex",
            "linalg_ldl_factor_ex",
            "linalg_ldl_solve",
            "linalg_lstsq",
            "linalg_lu",
            "linalg_lu_factor_ex",
            "linalg_lu_solve",
            "linalg_matrix_exp",
            "linalg_matrix_sqrth",
            "linalg_pinv",
            "linalg_polar",
            "linalg_qr",
            "linalg_solve_triangular",
            "ormqr",
            "triangular_solve",
            "cholesky",
            "lu_solve",
            "_lu_with_info",
            "svd",
        ],
        _LAPACK,
    ),
    **dict.fromkeys(
        ["_lstm_mps", "lstm_mps_backward", "_cudnn_rnn_backward", "miopen_rnn_backward"],
        "a whole recurrent layer in one call, whose arguments do not say which products it makes",
    ),
    "_cslt_sparse_mm_search": "times several kernels of the same product against each other",
}
"""Operators that hide contractions without an exact number, and why: they are reported as uncounted."""
