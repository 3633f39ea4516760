export const startLearnt = () => {};
