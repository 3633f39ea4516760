//! Methods without gradients, in plain memory: neighbours, trees, histograms, covariances and what is made of them.

pub mod cblof;
pub mod copod;
pub mod ecod;
pub mod extra_trees;
pub mod fisher;
pub mod gbdt;
pub mod hbos;
pub mod isolation_forest;
pub mod knn;
pub mod loda;
pub mod lof;
pub mod logistic;
pub mod mahalanobis;
pub mod mean_difference;
pub mod ocsvm;
pub mod pca;
pub mod pu_forest;
pub mod quorum;
pub mod random_forest;
pub mod whitened_cosine;
pub mod whitened_cosine_mahalanobis;
pub mod xgbod;
